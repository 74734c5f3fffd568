import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { MOST_TAGS, nodeTags } from '../session-id.ts'
import { isOrigin } from '../option-checks.ts'
import { dynamicConfiguration } from './dynamic-configuration.ts'
import type { TraefikOptions } from './options.ts'

export const usage = `fastify-mcp-sticky traefik --node [NAME=]URL [--node …] [options] > mcp.yml

Prints a dynamic configuration for Traefik's file provider: these nodes, at
these addresses, for good. Give each node its URL as the option node.url.

  --node [NAME=]URL       a node as Traefik reaches it: a=http://10.0.0.1:3000
  --tags COUNT            the option node.tags of the nodes (1)
  --stateless             calls without sessions (MCP 2026-07-28) are served: they go to any node, without a cookie
  --path PATH             an MCP endpoint (/mcp); may be repeated
  --entry-point NAME      an entry point of Traefik's; may be repeated (Traefik's default ones)
  --host NAME             clients ask for this host; may be repeated (any host)
  --tls                   the routers take TLS requests only
  --cert-resolver NAME    the same, with certificates from this resolver
  --middleware NAME       runs before ours, as in ratelimit@file; may be repeated
  --root-ca FILE          nodes with https: who signs their certificates, a PEM file where Traefik runs; may be repeated
  --server-name NAME      nodes with https: the name that their certificates are for (the host of their url)
  --names PREFIX          what the names of routers and services begin with (mcp)
`

const options = {
  node: { type: 'string', multiple: true },
  tags: { type: 'string' },
  stateless: { type: 'boolean' },
  path: { type: 'string', multiple: true },
  'entry-point': { type: 'string', multiple: true },
  host: { type: 'string', multiple: true },
  tls: { type: 'boolean' },
  'cert-resolver': { type: 'string' },
  middleware: { type: 'string', multiple: true },
  'root-ca': { type: 'string', multiple: true },
  'server-name': { type: 'string' },
  names: { type: 'string' }
} as const

/**
 * The YAML that the arguments ask for.
 * @throws an Error for people when the arguments are wrong
 */
export function traefikCommand (args: string[]): string {
  const values = parse(args)
  const count = readTags(values.tags)
  const nodes = (values.node ?? []).map(node => ({ ...readNode(node, count), ...values.stateless && { stateless: true } }))
  if (nodes.length === 0) throw new Error('--node is missing: give one for each node')
  const configuration = dynamicConfiguration(nodes, readOptions(values))
  return comment(nodes) + stringify(configuration, { lineWidth: 0, aliasDuplicateObjects: false })
}

interface NamedNode { name: string, url: string, tags: string[] }

function readTags (count = '1'): number {
  if (!/^\d{1,2}$/.test(count) || Number(count) < 1 || Number(count) > MOST_TAGS) throw new Error(`--tags ${count}: must be a whole number from 1 to ${MOST_TAGS}`)
  return Number(count)
}

function readNode (text: string, count: number): NamedNode {
  const [, name, url = ''] = /^(?:([\w.-]+)=)?(.*)$/s.exec(text) ?? []
  if (!isOrigin(url)) {
    throw new Error(`--node ${text}: a node's url is scheme, host and port alone, as in a=http://10.0.0.1:3000`)
  }
  return { name: name ?? new URL(url).host, url, tags: nodeTags({ id: '', url }, count) }
}

function readOptions (values: ReturnType<typeof parse>): TraefikOptions {
  const { path, host, names, middleware, 'entry-point': entryPoints, 'cert-resolver': certResolver, 'root-ca': rootCAs, 'server-name': serverName } = values
  const tls = certResolver === undefined ? values.tls : { certResolver }
  const bad = host?.find(name => !/^[\w.-]+$/.test(name))
  if (bad !== undefined) throw new Error(`--host ${bad}: must be a host name alone, as in mcp.example.com`)
  return {
    ...(path !== undefined && { mcpPath: path.length === 1 ? path[0]! : path }),
    ...(host !== undefined && { hostRule: host.map(name => `Host(\`${name}\`)`).join(' || ') }),
    ...(names !== undefined && { names }),
    ...(middleware !== undefined && { middlewares: middleware }),
    ...(entryPoints !== undefined && { entryPoints }),
    ...(tls !== undefined && { tls }),
    ...((rootCAs !== undefined || serverName !== undefined) && { serversTransport: { ...(rootCAs && { rootCAs }), ...(serverName !== undefined && { serverName }) } })
  }
}

function parse (args: string[]) {
  return parseArgs({ args, options }).values
}

function comment (nodes: NamedNode[]): string {
  const lines = nodes.flatMap(({ name, url, tags }) => tags.map(tag => `#   ${tag}  ${name}  ${url}`))
  return ['# Made by `fastify-mcp-sticky traefik`. Session ids begin with the tag of their node:', ...lines, ''].join('\n')
}
