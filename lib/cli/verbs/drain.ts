import { setTimeout } from 'node:timers/promises'
import { jsonOf, safe } from '../table.ts'
import type { Verb } from '../verb.ts'

/** How often it is looked whether the node has heard, and for how long, in milliseconds. */
const LOOK = 200
const PATIENCE = 15_000

export const drain: Verb = {
  help: `fastify-mcp-sticky drain NODE [options]

Asks a live node to leave in good order, and waits until it says that it does,
15 s at most: it leaves the proxy's pool, lets calls finish, and hands its
sessions over (see app.mcpSessions.drain). Its process goes on: stop it then.
NODE is its node.id, as nodes has it.
`,
  options: {},
  names: ['NODE'],
  async run ({ observer, names: [node], json, out, err }) {
    const asked = await observer.drain(node!)
    const heard = asked && await hears(observer, node!)
    if (json) out(jsonOf({ node, asked, heard }))
    else if (!asked) err(`There is no live node ${safe(node!)}.\n`)
    else out(`node ${safe(node!)} ${heard ? 'is draining' : 'was asked to drain, and has not said yet that it does'}\n`)
    return asked
  }
}

async function hears (observer: Parameters<Verb['run']>[0]['observer'], id: string): Promise<boolean> {
  const end = performance.now() + PATIENCE
  do {
    const node = (await observer.nodes()).find(node => node.id === id)
    if (node === undefined || node.state === 'draining') return true
    await setTimeout(LOOK)
  } while (performance.now() < end)
  return false
}
