import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import mcpSticky from '../../lib/index.ts'
import type { McpStickyOptions, NodeStatus } from '../../lib/index.ts'
import type { LogLine } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { connect } from '../fixtures/redis.ts'
import type { RedisServer } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'

/** Short, so that tests are; a machine may stop for three of them without a node being taken for dead. */
const HEARTBEAT = 500

export interface StartedNode {
  app: FastifyInstance
  url: string
  tag: string
  log: LogLine[]
  /** The live nodes as this one sees them; none while the registry cannot be read. */
  nodes: () => Promise<NodeStatus[]>
}

/** A node that listens at its `node.url`. `more` runs after the plugin is registered, before the node starts. */
export async function startNode (t: Test, options: Partial<McpStickyOptions> = {}, more: (app: FastifyInstance) => unknown = () => {}): Promise<StartedNode> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const log: LogLine[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } }, forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer, ...options, node: { heartbeat: HEARTBEAT, ...options.node, url } })
  await more(app)
  await app.listen({ host: '127.0.0.1', port })
  return { app, url, tag: app.mcpSessions.node.tag, log, nodes: () => app.mcpSessions.nodes().catch(() => []) }
}

/** Options for nodes that share a directory; ids are made for each. */
export function shared (t: Test, redis: RedisServer, keyPrefix: string): () => Partial<McpStickyOptions> {
  return () => ({ redis: connect(t, redis), keyPrefix, node: { id: randomUUID(), heartbeat: HEARTBEAT } })
}
