// A node whose ways to others drop packets, under clients that call without pause through every node in turn.
import t from 'tap'
import { NODES, startNetworkCluster } from '../fixtures/network/cluster.ts'
import { suffer, untouched } from '../fixtures/network/fault.ts'

/** How a call may end that was to be answered by a node which cannot be reached. */
const UNREACHABLE = ['200 owner_lost', '503 owner_lost', '503 owner_unreachable', 'the stream ended without an answer']

const cluster = await startNetworkCluster(t)
const { network, live } = cluster

const others = (reasons: string[], allowed: string[]): string[] => reasons.filter(reason => !allowed.includes(reason))

t.test('cut from Redis, not from clients and peers: nothing fails', async t => {
  const seen = await suffer(t, cluster, () => network.cut('a', 'redis'))
  t.same(seen.tally.failed, [], 'no call failed')
  untouched(t, seen)
})

t.test('all are cut from Redis, which closes nothing: sessions go on', async t => {
  const seen = await suffer(t, cluster, () => { for (const node of NODES) network.cut(node, 'redis') })
  t.same(seen.tally.failed, [], 'no call failed')
  untouched(t, seen)
})

t.test('cut from its peers: what they were to pass on fails within seconds, and nothing moves', async t => {
  const seen = await suffer(t, cluster, () => {
    network.cut('a', 'b')
    network.cut('a', 'c')
  })
  t.same(others(seen.reasons, UNREACHABLE), [], 'it is said why')
  t.same(seen.after, [], 'nothing fails when it is mended')
  untouched(t, seen)
})

t.test('one way only, between two nodes', async t => {
  const seen = await suffer(t, cluster, () => network.oneWay('b', 'a'))
  t.same(others(seen.reasons, UNREACHABLE), [], 'it is said why')
  t.same(seen.after, [], 'nothing fails when it is mended')
  untouched(t, seen)
})

t.test('cut from clients: what was under way is lost to them, the rest comes through the others', async t => {
  const seen = await suffer(t, cluster, () => network.cut('a', 'clients'))
  t.same(seen.after, [], 'nothing fails when it is mended')
  untouched(t, seen)
})

t.test('cut from everybody: its sessions go on elsewhere, and it knows when it is back', async t => {
  const seen = await suffer(t, cluster, () => {
    for (const other of ['b', 'c', 'redis', 'clients'] as const) network.cut('a', other)
  }, {
    shows: ({ moved }) => moved > 0,
    // Were the clients back before Redis, they would meet two owners: the next test.
    mend: async () => {
      for (const other of ['b', 'c', 'redis'] as const) network.rejoin('a', other)
      await live('a')
      network.rejoin('a', 'clients')
    }
  })
  t.same(seen.tally.wrong, [], 'no session had two owners')
  t.same(seen.tally.lost, [], 'no session was lost')
  t.same(seen.after, [], 'nothing fails when it is mended')
})

t.test('cut from Redis and its peers, not from clients: two owners, until it has Redis\' answer', async t => {
  let known = 0
  const seen = await suffer(t, cluster, () => {
    for (const other of ['b', 'c', 'redis'] as const) network.cut('a', other)
  }, {
    // It is seen by the numbers.
    shows: ({ wrong }) => wrong.length > 0,
    mended: async load => {
      await live('a')
      // What was under way has its answer.
      await load.goesOn(2)
      known = (await load.forget()).wrong.length
    }
  })
  t.same(seen.tally.wrong.slice(known), [], 'then no session has two')
  t.same(seen.tally.lost, [], 'no session was lost')
  t.same(seen.after, [], 'nothing fails when it is mended')
})
