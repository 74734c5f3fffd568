import { spawn } from 'node:child_process'
import { once } from 'node:events'

const URL_LINE = /http:\/\/\S+\/mcp\b/
const START_LIMIT = 30_000

/**
 * Starts a program that prints the url of its MCP endpoint, and waits for that
 * line. `stop` ends the process and fails when it did not end well by itself.
 */
export async function startServer (command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const name = [command, ...args].join(' ')

  const url = await new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${name} printed no url in ${START_LIMIT} ms`)), START_LIMIT)
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`${name} ended with ${code} before it printed its url`)))
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
      const [url] = URL_LINE.exec(output) ?? []
      if (url) {
        clearTimeout(limit)
        resolve(url)
      }
    })
  }).catch(error => {
    child.kill('SIGKILL')
    throw error
  })

  return {
    url,
    async stop () {
      child.kill('SIGTERM')
      const [code, signal] = await exited
      if (code !== 0) throw new Error(`${name} ended with ${signal ?? code} after SIGTERM`)
    }
  }
}
