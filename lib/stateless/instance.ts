import { checkMade } from '../transport/made-server.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import { Channel } from './channel.ts'
import { META, REVISION, REVISIONS } from './revision.ts'
import { ToolHeaders } from './tool-headers.ts'
import { declared } from './wire.ts'
import type { Identity } from './wire.ts'

/** The parts of the SDK's Server, of either line, that bind it to an era: 2.x has no public way that all its versions know. */
interface SdkServer {
  _negotiatedProtocolVersion?: string
  _supportedProtocolVersions?: string[]
  _clientCapabilities?: unknown
  _clientVersion?: unknown
  _serverInfo?: unknown
  _instructions?: string
  _capabilities?: Record<string, unknown>
  getNegotiatedProtocolVersion?: () => string | undefined
  setRequestHandler?: (method: string, handler: () => unknown) => void
}

/** A server object that serves the stateless era, and what it is connected to. */
export interface Instance {
  readonly product: McpServerLike
  readonly channel: Channel
  readonly toolHeaders: ToolHeaders
  /** What a server of SDK 1.x says of itself; undefined for one of 2.x, which speaks the revision. */
  readonly bridged: (() => Identity) | undefined
}

/**
 * Binds a server that nobody has used to the stateless era, and connects it.
 * `meta`: the envelope of the one request that it serves; undefined for one that serves all.
 * @throws TypeError for what is no server, Error for one that was made before, or that cannot be bound.
 */
export async function bind (product: McpServerLike, meta: Readonly<Record<string, unknown>> | undefined): Promise<Instance> {
  checkMade(product)
  const server = (product as { server?: SdkServer }).server ?? product as SdkServer
  const modern = typeof server.getNegotiatedProtocolVersion === 'function'
  if (modern) prepare(server)
  // What 1.x and 2.x answer to getClientCapabilities(): where the server is one request's, it is that of its client.
  if (meta !== undefined) {
    server._clientCapabilities = meta[META.capabilities]
    server._clientVersion = meta[META.clientInfo]
  }
  const channel = new Channel()
  const toolHeaders = new ToolHeaders({ product: product as object, channel, single: meta !== undefined })
  await product.connect(channel)
  if (modern && server.getNegotiatedProtocolVersion!() !== REVISION) throw new Error(`the server cannot be bound to ${REVISION}`)
  return { product, channel, toolHeaders, bridged: modern ? undefined : () => identityOf(server) }
}

/** Ends a server and its connection. Never rejects. */
export async function dispose ({ product, channel }: Instance, failed: (error: unknown) => void): Promise<void> {
  try {
    await product.close()
  } catch (error) {
    failed(error)
  }
  await channel.close()
}

function prepare (server: SdkServer): void {
  server._negotiatedProtocolVersion = REVISION
  // A list of its own: the one of the SDK is shared by all servers.
  if (server._supportedProtocolVersions?.includes(REVISION) !== true) server._supportedProtocolVersions = [...server._supportedProtocolVersions ?? [], REVISION]
  server.setRequestHandler!('server/discover', () => {
    const { capabilities, instructions } = identityOf(server)
    return { supportedVersions: [...REVISIONS], capabilities: declared(capabilities), ...(instructions !== undefined && { instructions }) }
  })
}

/** As it is now: tools may have been registered since. */
function identityOf ({ _serverInfo: serverInfo, _capabilities: capabilities, _instructions: instructions }: SdkServer): Identity {
  return { serverInfo: serverInfo ?? { name: 'unknown', version: '0' }, capabilities: capabilities ?? {}, instructions }
}
