// What a client can do to the connection below a stream.
import t from 'tap'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { call, open } from '../../fixtures/http.ts'
import { createServer } from '../../fixtures/session-server.ts'
import { until } from '../../fixtures/until.ts'

/** Requests as bytes on one connection, all at once. */
function pipelined (t: Test, url: string, id: string, requests: Array<{ body?: object }>): Socket {
  const { hostname, port, pathname, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  socket.write(requests.map(({ body }) => {
    const json = body === undefined ? '' : JSON.stringify(body)
    const more = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${json.length}\r\n`
    return `${body === undefined ? 'GET' : 'POST'} ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: ${id}\r\n${more}\r\n${json}`
  }).join(''))
  return socket
}

t.test('streams that wait for their turn on a connection end with it', async t => {
  const { app, url } = await startApp(t, { responseMode: 'sse' })
  const id = await open(url)
  const session = app.mcpSessions.get(id)!
  const warnings: string[] = []
  const warned = (warning: Error): void => { warnings.push(warning.message) }
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))

  const calls = Array.from({ length: 12 }, (_, index) => ({ body: call('wait', {}, `wait-${index}`) }))
  const socket = pipelined(t, url, id, [{}, {}, ...calls])
  await until('all are open', () => session.streams === 14)
  socket.resume().destroy()
  await until('none is', () => session.streams === 0)
  t.same(warnings, [])
})

t.test('a handler that says a lot to a client that reads nothing waits once', async t => {
  const server = createServer()
  let said = 0
  const { app, url } = await startApp(t, {
    createServer: () => {
      server.registerTool('flood', {}, async extra => {
        const data = 'x'.repeat(100_000)
        await Promise.all(Array.from({ length: 100 }, () => extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } }).then(() => { said++ })))
        return { content: [] }
      })
      return server
    }
  })
  const id = await open(url)
  const warnings: string[] = []
  const warned = (warning: Error): void => { warnings.push(warning.message) }
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))

  const socket = pipelined(t, url, id, [{ body: call('flood') }])
  await until('it waits for the client', () => app.mcpSessions.get(id)!.streams === 1)
  socket.resume()
  await until('all is said', () => said === 100)
  await until('the call is over', () => !app.mcpSessions.get(id)!.busy)
  t.same(warnings, [])
})
