import { REACHED } from '../../directory/look.ts'
import type { LookedNode } from '../../redis/observer.ts'
import { failed, ok, skipped } from './check.ts'
import type { Check, Seen } from './check.ts'
import type { Inside } from './inside.ts'

/** For how long nodes are asked: three of the longest heartbeats, and their looks. */
const BOUND = 240_000
/** Milliseconds by which clocks may differ. */
const SKEW = 5000
const PINGS = 20
const AS_OFTEN = 3

type Answering = LookedNode & { answered: NonNullable<LookedNode['answered']> }

const answering = (nodes: LookedNode[]): Answering[] => nodes.filter((node): node is Answering => node.answered !== undefined)
const silent = (nodes: LookedNode[]): string => {
  const ids = nodes.flatMap(({ id, answered }) => answered === undefined ? [id] : [])
  return ids.length === 0 ? '' : `; no answer from ${listed(ids)} (an older version, or it hangs)`
}
const listed = (ids: string[]): string => ids.length <= AS_OFTEN ? ids.join(', ') : `${ids.slice(0, AS_OFTEN).join(', ')} and ${ids.length - AS_OFTEN} more`

export const nodesAlive: Check<Inside> = {
  name: 'nodes',
  bound: () => BOUND,
  gate: true,
  why: 'Nodes that are not seen in this Redis, under this prefix, cannot find the sessions of the others.',
  cure: { nodes: 'the option redis leads all nodes to this Redis, and keyPrefix is the same on all: give the same with --key-prefix' },
  async run (inside) {
    const nodes = await inside.nodes()
    return nodes.length === 0 ? failed(`no live node under ${inside.keyPrefix}`) : ok(`${nodes.length} live: ${listed(nodes.map(({ id }) => id))}`)
  }
}

export const nodeUrls: Check<Inside> = {
  name: 'node-urls',
  bound: () => BOUND,
  why: 'A node that others do not reach at its node.url is passed no requests: its sessions are lost for who comes by another node, or taken over though it lives.',
  cure: {
    nodes: 'node.url: scheme, address and port by which this very process is reached from the other nodes; a server that listens on 0.0.0.0; NODE_EXTRA_CA_CERTS for certificates of your own',
    Kubernetes: 'node.url from status.podIP, and a NetworkPolicy that lets pods reach each other at the container port'
  },
  async run (inside) {
    const nodes = await inside.nodes()
    const asked = answering(nodes)
    if (asked.length === 0) return skipped(`no node has looked${silent(nodes)}`)
    const looks = asked.flatMap(({ id, answered: { sees } }) => Object.entries(sees).map(([other, met]) => ({ id, other, met })))
    if (looks.length === 0) return nodes.length > 1 ? failed('no node has a url') : skipped('the only node has no url')
    const unreached = looks.filter(({ met }) => met !== REACHED).map(({ id, other, met }) => `${id} does not reach ${id === other ? 'itself' : other} (${met})`)
    const without = nodes.length > 1 ? nodes.filter(({ url }) => url === undefined).map(({ id }) => `${id} has no url`) : []
    const problems = [...unreached, ...without]
    return problems.length > 0 ? failed(problems.slice(0, 8).join('; ') + silent(nodes)) : ok(`${looks.length} ways, all open${silent(nodes)}`)
  }
}

export const nodeOptions: Check<Inside> = {
  name: 'node-options',
  bound: () => BOUND,
  why: 'No node can count on another that has another policy, path or heartbeat: it depends on the node that is asked what becomes of a session. While stateless differs, no client hears of calls without sessions.',
  cure: { nodes: 'misroute, orphan, node.heartbeat, path, eventStore and stateless the same on all nodes; restart those that differ' },
  async run (inside) {
    const nodes = await inside.nodes()
    const names = [...new Set(nodes.flatMap(({ options }) => Object.keys(options)))] as Array<keyof LookedNode['options']>
    const different = [
      ...names.flatMap(name => spread(nodes, ({ options }) => options[name] === undefined ? undefined : String(options[name]), name)),
      ...spread(nodes, ({ stateless = [] }) => [...stateless].sort().join(' ') || 'none', 'stateless')
    ]
    return different.length > 0 ? failed(different.join('; ')) : ok(`${names.length + 1} options, the same on all`)
  }
}

export const nodeVersions: Check<Inside> = {
  name: 'node-versions',
  bound: () => BOUND,
  why: 'Nodes of two versions are one cluster during a deploy. For longer than that, what one of them cannot do the whole cluster cannot.',
  cure: { nodes: 'bring the deploy to its end, or take it back' },
  async run (inside) {
    const nodes = await inside.nodes()
    const different = [...spread(nodes, ({ format }) => String(format), 'format'), ...spread(nodes, ({ answered }) => answered?.version, 'version')]
    const versions = [...new Set(answering(nodes).map(({ answered: { version } }) => version))]
    return different.length > 0 ? failed(different.join('; ')) : ok(`format ${nodes[0]!.format}${versions.length > 0 ? `, version ${versions.join()}` : ''}${silent(nodes)}`)
  }
}

/** The values of nodes, with who has each, where there are several. */
function spread (nodes: LookedNode[], valueOf: (node: LookedNode) => string | undefined, name: string): string[] {
  const by = new Map<string, string[]>()
  for (const node of nodes) {
    const value = valueOf(node)
    if (value !== undefined) by.set(value, [...by.get(value) ?? [], node.id])
  }
  return by.size < 2 ? [] : [`${name}: ${[...by].map(([value, ids]) => `${value} (${listed(ids)})`).join(', ')}`]
}

export const clocks: Check<Inside> = {
  name: 'clocks',
  bound: () => BOUND,
  why: 'Ownership does not hang on clocks, but when sessions are idle, when records are swept, and in which order their steps are told, does.',
  cure: { nodes: 'NTP or chrony on the machines of these nodes, and on that of Redis', Kubernetes: 'on the hosts: pods have their clock' },
  async run (inside) {
    const nodes = await inside.nodes()
    return judgeClocks(answering(nodes).map(({ id, answered: { ahead } }) => ({ id, ahead })), silent(nodes))
  }
}

/** `ahead`: milliseconds before Redis' clock. */
export function judgeClocks (nodes: Array<{ id: string, ahead: number }>, besides = ''): Seen {
  if (nodes.length === 0) return skipped(`no node has told its time${besides}`)
  const off = nodes.filter(({ ahead }) => Math.abs(ahead) > SKEW)
  const most = Math.max(...nodes.map(({ ahead }) => Math.abs(ahead)))
  return off.length > 0
    ? failed(off.map(({ id, ahead }) => `${id} is ${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'before' : 'behind'} Redis`).join(', '))
    : ok(`at most ${most} ms off that of Redis${besides}`)
}

export const forwarded: Check<Inside> = {
  name: 'forwarded',
  bound: () => 2 * BOUND,
  why: 'What another node than the session\'s own gets is passed on: right, and more than twice as slow. A proxy that knows the ids leads nearly all of it to the right node.',
  cure: {
    Traefik: 'the document of mcpStickyTraefik, polled: docs/traefik.md',
    nginx: 'the tags of these nodes in the map of docs/proxies/nginx.conf',
    HAProxy: 'the tags of these nodes in the rules of docs/proxies/haproxy.cfg'
  },
  async run (inside, signal) {
    const { endpoint } = inside
    const before = total(await inside.nodes())
    if (endpoint?.ours !== true) return ok(`${before} requests since the nodes started`)
    const { id } = await endpoint.initialize(undefined, { signal })
    if (id === undefined) return ok(`${before} requests since the nodes started`)
    try {
      const start = total(await inside.again())
      for (let i = 0; i < PINGS; i++) await endpoint.ping({ headers: { 'mcp-session-id': id }, signal })
      const end = total(await inside.again())
      return ok(`${end - start} requests while ${PINGS} pings were sent, ${end} since the nodes started`)
    } finally {
      await endpoint.delete(id, signal)
    }
  }
}

function total (nodes: LookedNode[]): number {
  return answering(nodes).reduce((sum, { answered }) => sum + answered.forwarded, 0)
}
