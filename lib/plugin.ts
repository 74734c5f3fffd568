import type { FastifyBaseLogger, FastifyInstance, FastifyRegisterOptions, FastifyTypeProvider, RawServerBase, RawServerDefault } from 'fastify'
import fp from 'fastify-plugin'
import { assertBeats } from './beats.ts'
import { addEndpoint } from './endpoint.ts'
import { OptionError } from './errors.ts'
import { assertSameNode, withNode } from './node-options.ts'
import { nodeOf, StickyNode } from './node.ts'
import type { McpStickyOptions } from './options.ts'
import { registeredClient } from './redis/registered-client.ts'
import type { AdoptedSession } from './sessions/adopted-session.ts'
import type { McpSessions } from './sessions/mcp-sessions.ts'
import { readOptions } from './settings.ts'

declare module 'fastify' {
  interface FastifyInstance {
    mcpSessions: McpSessions
  }
  // The names and bounds of its parameters are Fastify's: an interface is extended by one of the same.
  /* eslint-disable @typescript-eslint/no-unused-vars */
  interface FastifyRegister<
    T = void,
    RawServer extends RawServerBase = RawServerDefault,
    TypeProviderDefault extends FastifyTypeProvider = FastifyTypeProvider,
    LoggerDefault extends FastifyBaseLogger = FastifyBaseLogger
  > {
    /* eslint-enable @typescript-eslint/no-unused-vars */
    /** Of this plugin: what `createServer` returns is what `onAdopt` gets. */
    <McpServer extends AdoptedSession['server']>(plugin: McpStickyPlugin, opts: FastifyRegisterOptions<McpStickyOptions<McpServer>>): T
  }
}

/** The plugin, for `app.register`. */
export interface McpStickyPlugin {
  (app: FastifyInstance, options: McpStickyOptions): Promise<void>
  /** By this the compiler knows it from any other. */
  readonly pluginName: 'fastify-mcp-sticky'
}

async function plugin (app: FastifyInstance, options: McpStickyOptions): Promise<void> {
  const node = nodeOf(app)
  if (node === undefined) return firstEndpoint(app, options)
  const { first, client } = node
  const settings = readOptions(withNode(options, first))
  assertSameNode(settings, first)
  if (options.redis !== undefined && registeredClient(app, options.redis) !== client) {
    throw new OptionError('redis', `is of the node, and the endpoint ${first.name}, which was registered first, has another; leave it out here`)
  }
  await addEndpoint(app, node, options, settings)
  decorate(app, node)
}

/** The first of an application makes its node. */
async function firstEndpoint (app: FastifyInstance, options: McpStickyOptions): Promise<void> {
  assertBeats()
  const settings = readOptions(options)
  const node = new StickyNode(app, options, settings)
  await node.join(app)
  await addEndpoint(app, node, options, settings)
  decorate(app, node)
}

/** Contexts of the application that are siblings each have it. */
function decorate (app: FastifyInstance, { faces, first }: StickyNode): void {
  if (!app.hasDecorator('mcpSessions')) app.decorate('mcpSessions', faces.get(first.name)!)
}

/**
 * Serves MCP over Streamable HTTP, one session directory for all nodes.
 * `app.register(mcpSticky, { createServer })` adds an endpoint, the internal
 * paths below `/mcp-sticky`, and `app.mcpSessions` ({@link McpSessions}). Once
 * more, with another `name` and `path`, it adds another endpoint to the same node.
 * @throws at register: MCP_STICKY_ERR_OPTION, MCP_STICKY_ERR_POLICY_UNAVAILABLE,
 * MCP_STICKY_ERR_ALREADY_REGISTERED; when the application becomes ready:
 * MCP_STICKY_ERR_NODE_DUPLICATE. docs/errors.md says what each means.
 */
export const mcpSticky: McpStickyPlugin = Object.assign(fp(plugin, { fastify: '5.x', name: 'fastify-mcp-sticky' }), { pluginName: 'fastify-mcp-sticky' } as const)
