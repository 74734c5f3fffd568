import t from 'tap'
import type { NodeRegistry } from '../../../lib/redis/nodes/node-registry.ts'
import type { NodeState } from '../../../lib/redis/nodes/node-state.ts'
import { checkUrl, Rival, takeId } from '../../../lib/redis/nodes/rivals.ts'
import { identity } from '../../fixtures/directory-node.ts'

const { signal } = new AbortController()
const state = (id: string, raw: string, url?: string): NodeState => ({ id, raw, url, heartbeat: 1 }) as unknown as NodeState
const node = identity('a', 'http://a')

/** `later`: each node as it is when it is looked at once more. */
function registry (later: NodeState[], alive: NodeState[] = []): NodeRegistry {
  return {
    again: async ({ id }: NodeState) => later.find(node => node.id === id),
    alive: async () => new Map(alive.map(node => [node.id, node]))
  } as unknown as NodeRegistry
}

/** Beats that meet these, one after the other. */
function beating (...met: Array<NodeState | 'renewed' | 'gone'>) {
  const over: Array<string | undefined> = []
  return { over, beat: async (value?: string) => { over.push(value); return met.shift()! } }
}

// The waits do not keep the process alive.
const alive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(alive))

t.test('an id that nobody has is ours', async t => {
  for (const met of ['renewed', 'gone'] as const) {
    const { over, beat } = beating(met)
    await takeId(registry([]), node, beat, signal)
    t.strictSame(over, [undefined])
  }
})

t.test('one whose holder does not beat is taken over, one whose holder does is not', async t => {
  for (const later of [[], [state('a', 'old')]]) {
    const { over, beat } = beating(state('a', 'old'), 'renewed')
    await takeId(registry(later), node, beat, signal)
    t.strictSame(over, [undefined, 'old'], 'over its value and no other')
  }
  const live = beating(state('a', 'old'))
  const rival = await takeId(registry([state('a', 'new')]), node, live.beat, signal).then(() => undefined, rival => rival)
  t.ok(rival instanceof Rival)
  t.match(rival, { node: { id: 'a' }, error: { code: 'MCP_STICKY_ERR_NODE_DUPLICATE', message: /id "a"/ } })
  t.strictSame(live.over, [undefined])
})

t.test('where an older node had it as well that is taken over too, and who comes third is a rival', async t => {
  const twice = beating(state('a', 'old'), state('a', 'older'), 'renewed')
  await takeId(registry([]), node, twice.beat, signal)
  t.strictSame(twice.over, [undefined, 'old', 'older'])
  const late = beating(state('a', '1'), state('a', '2'), state('a', '3'))
  await t.rejects(takeId(registry([]), node, late.beat, signal), { message: /id "a"/ })
})

t.test('a url is ours unless a live node of another id has it', async t => {
  const taken = state('b', '1', 'http://a')
  await checkUrl(registry([], [taken]), node, signal)
  await checkUrl(registry([taken], [taken]), node, signal)
  await t.rejects(checkUrl(registry([state('b', '2', 'http://a')], [taken]), node, signal), { message: /live node "b" has the url/ })
  const others = [state('a', '1', 'http://a'), state('c', '1', 'http://c'), state('d', '1')]
  await checkUrl(registry(others.map(({ id, url }) => state(id, '2', url)), others), node, signal)
  await checkUrl(registry([state('b', '2')], [state('b', '1')]), identity('a'), signal)
})
