import type { Test } from 'tap'
import { FORMAT } from '../../lib/format.ts'
import { Lease } from '../../lib/sessions/lease.ts'
import { newSessionId, sessionName } from '../../lib/session-id.ts'
import { STEPS } from '../../lib/directory/trails.ts'
import type { Step } from '../../lib/directory/trails.ts'
import { ADOPTION_PAUSES } from '../../lib/directory/adoption-pauses.ts'
import type { SessionDirectory } from '../../lib/directory/directory.ts'
import type { NodeIdentity } from '../../lib/directory/node.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'
import { until } from '../fixtures/until.ts'

/** Where records live. One cluster of nodes a test. */
export interface Home {
  directory: (node: NodeIdentity) => SessionDirectory | Promise<SessionDirectory>
  /** The process of this node dies: it says nothing any more. */
  crash: (directory: SessionDirectory, node: NodeIdentity) => void | Promise<void>
}

/** How every session directory behaves, whatever its home. */
export function directorySuite (t: Test, home: (t: Test) => Home | Promise<Home>): void {
  /** Starts nodes on one home; they are stopped with the test. */
  const nodes = async (t: Test, ...identities: NodeIdentity[]) => {
    const place = await home(t)
    const started = []
    for (const id of identities) started.push(await start(t, place, id))
    return { place, nodes: started }
  }

  const start = async (t: Test, place: Home, id: NodeIdentity, node = new FakeNode(id)) => {
    const directory = await place.directory(id)
    t.teardown(() => directory.stop([], 1000))
    await directory.start(node)
    return { node, directory }
  }

  /** A node whose lease lapses when the test says so. */
  const startLeased = async (t: Test, place: Home, id: NodeIdentity) => {
    let hours = 0
    const clock = () => ({ monotonic: hours * 3_600_000, wall: hours * 3_600_000 })
    const started = await start(t, place, id, new FakeNode(id, new Lease({ node: id, life: 1_800_000, clock })))
    return { ...started, lapse: () => { hours++ } }
  }

  /** The record of an id, read now. */
  const recordOf = async (directory: SessionDirectory, id: string): Promise<SessionRecord> => {
    const found = await directory.locate(id, { fresh: true })
    if (found.status === 'unknown') throw new Error('there is no record')
    return found.record
  }

  const statusOf = async (directory: SessionDirectory, id: string) => (await directory.locate(id, { fresh: true })).status

  t.test('a session is found from every other node', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a', 'http://10.0.0.1:3000'), identity('b'))
    const record = a!.node.open('issuer|ann')
    t.equal(await a!.directory.add(record), true)
    const found = await b!.directory.locate(record.id)
    t.match(found, { status: 'misrouted', tag: a!.node.identity.tag, url: 'http://10.0.0.1:3000' })
    if (found.status !== 'misrouted') return
    const { lastSeenAt, ...rest } = found.record
    t.match(rest, { ...record, node: 'a', epoch: a!.node.identity.epoch, url: 'http://10.0.0.1:3000', adoptionFailures: 0 })
    t.ok(Math.abs(lastSeenAt - Date.now()) < 60_000, 'last seen now, in milliseconds')
  })

  t.test('an anonymous session has no principal, a node without url none either', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    const found = await b!.directory.locate(record.id)
    t.equal(found.status, 'misrouted')
    if (found.status !== 'misrouted') return
    t.equal(found.record.principal, undefined)
    t.equal(found.url, undefined)
  })

  t.test('ids that nobody knows are unknown', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    t.strictSame(await a!.directory.locate(newSessionId(b!.node.identity.tag)), { status: 'unknown' })
    t.strictSame(await a!.directory.locate('not-an-id-of-ours'), { status: 'unknown' })
    t.equal(await a!.directory.remove(newSessionId(b!.node.identity.tag), 'any'), 'unknown')
  })

  t.test('a session whose node is gone is orphaned', async t => {
    const { place, nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    await place.crash(a!.directory, a!.node.identity)
    await until('the session is orphaned', async () => (await b!.directory.locate(record.id)).status === 'orphaned')
  })

  t.test('a session of an earlier incarnation is orphaned', async t => {
    const { place, nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    await place.crash(a!.directory, a!.node.identity)
    const again = await start(t, place, identity('a'))
    t.equal((await again.directory.locate(record.id)).status, 'orphaned', 'from the new incarnation')
    await until('the session is orphaned', async () => (await b!.directory.locate(record.id)).status === 'orphaned')
  })

  t.test('discard deletes our own record alone', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const ours = a!.node.open()
    const theirs = b!.node.open()
    await a!.directory.add(ours)
    await b!.directory.add(theirs)
    a!.node.sessions.delete(ours.id)
    a!.directory.discard(theirs.id)
    a!.directory.discard(ours.id)
    await until('our record is gone', async () => (await a!.directory.list({ limit: 10 })).sessions.every(({ id }) => id !== ours.id))
    t.strictSame(await b!.directory.locate(ours.id), { status: 'unknown' })
    t.equal((await a!.directory.locate(theirs.id)).status, 'misrouted')
  })

  t.test('a removal elsewhere ends the session at its owner', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open('issuer|ann')
    await a!.directory.add(record)
    t.equal(await b!.directory.remove(record.id, { principal: 'issuer|ann' }), 'removed')
    await until('the owner ended the session', () => a!.node.ended.length > 0)
    t.strictSame(a!.node.ended, [[record.id, 'closed']])
    t.strictSame(await b!.directory.locate(record.id), { status: 'unknown' })
    t.equal(await b!.directory.remove(record.id, 'any'), 'unknown')
  })

  t.test('a session on this node can be removed as well', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open('issuer|ann')
    await a!.directory.add(record)
    t.equal(await a!.directory.remove(record.id, { principal: 'issuer|bob' }), 'unknown')
    t.equal(await a!.directory.remove(record.id, 'any'), 'removed')
    t.strictSame(a!.node.ended, [[record.id, 'closed']])
    await until('its record is gone', async () => await statusOf(b!.directory, record.id) === 'unknown')
  })

  t.test('a close that was asked for here reaches whoever has taken the session over', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open('issuer|ann')
    await a!.directory.add(record)
    const seen = await recordOf(b!.directory, record.id)
    t.equal(await b!.directory.claim(seen), 'claimed')
    b!.node.adopt(seen)
    a!.node.sessions.delete(record.id)
    a!.directory.discard(record.id, { principal: 'issuer|ann' })
    await until('it ends there', () => b!.node.ended.length > 0)
    t.strictSame(b!.node.ended, [[record.id, 'closed']])
    await until('nobody knows it any more', async () => await statusOf(a!.directory, record.id) === 'unknown')
  })

  t.test('a close that is asked for while a session is given up leaves nothing to adopt', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    await a!.directory.giveUp([record.id], 1000)
    t.equal(await statusOf(b!.directory, record.id), 'orphaned')
    t.equal(await a!.directory.remove(record.id, 'any'), 'removed')
    await until('the record is gone', async () => await statusOf(b!.directory, record.id) === 'unknown')
  })

  t.test('to another principal a session is unknown', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const named = a!.node.open('issuer|ann')
    const anonymous = a!.node.open()
    await a!.directory.add(named)
    await a!.directory.add(anonymous)
    t.equal(await b!.directory.remove(named.id, { principal: 'issuer|bob' }), 'unknown')
    t.equal(await b!.directory.remove(named.id, { principal: undefined }), 'unknown')
    t.equal(await b!.directory.remove(anonymous.id, { principal: 'issuer|bob' }), 'unknown')
    t.equal((await b!.directory.locate(named.id)).status, 'misrouted')
    t.equal((await b!.directory.locate(anonymous.id)).status, 'misrouted')
    t.equal(await b!.directory.remove(anonymous.id, { principal: undefined }), 'removed')
    t.equal(await b!.directory.remove(named.id, 'any'), 'removed')
  })

  t.test('list pages through all nodes and leaves none out', async t => {
    const { place, nodes: all } = await nodes(t, identity('a'), identity('b'), identity('c'))
    const expected = new Set<string>()
    for (const { node, directory } of all) {
      for (let i = 0; i < 7; i++) {
        const record = node.open()
        await directory.add(record)
        expected.add(record.id)
      }
    }
    // The dead are listed as well: their sessions are still recorded.
    await place.crash(all[2]!.directory, all[2]!.node.identity)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await all[0]!.directory.list({ cursor, limit: 4 })
      t.ok(page.sessions.length <= 4)
      seen.push(...page.sessions.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== undefined)
    t.equal(seen.length, 21)
    t.strictSame(new Set(seen), expected)
    await t.rejects(all[0]!.directory.list({ cursor: 'bm90IG91cnM', limit: 4 }), { code: 'MCP_STICKY_ERR_OPTION', message: /^option `cursor`/ })
    await t.rejects(all[0]!.directory.list({ cursor: '!', limit: 4 }), { code: 'MCP_STICKY_ERR_OPTION' })
    await t.rejects(all[0]!.directory.list({ cursor: Buffer.from('{"a":1}').toString('base64url'), limit: 4 }), { code: 'MCP_STICKY_ERR_OPTION' })
  })

  t.test('a session that is used while somebody pages is not left out', async t => {
    const { nodes: [a] } = await nodes(t, identity('a'))
    for (let i = 0; i < 6; i++) await a!.directory.add(a!.node.open())
    const first = await a!.directory.list({ limit: 3 })
    a!.directory.touch(first.sessions.at(-1)!.id)
    const second = await a!.directory.list({ cursor: first.cursor, limit: 10 })
    const seen = new Set([...first.sessions, ...second.sessions].map(({ id }) => id))
    t.equal(seen.size, 6)
  })

  t.test('stop cleans up after this node alone', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const ours = a!.node.open()
    const theirs = b!.node.open()
    await a!.directory.add(ours)
    await b!.directory.add(theirs)
    t.equal(await a!.directory.stop([ours.id, theirs.id], 2000), 0)
    t.strictSame(await b!.directory.locate(ours.id), { status: 'unknown' })
    t.strictSame((await b!.directory.list({ limit: 10 })).sessions.map(({ id }) => id), [theirs.id])
  })

  t.test('every node knows the live ones, and which of them drain', async t => {
    const { place, nodes: [b, a] } = await nodes(t, identity('b', 'http://10.0.0.2:3000'), identity('a'))
    b!.node.open()
    b!.node.room = 5
    a!.directory.announce()
    b!.directory.announce()
    const seen = async () => (await a!.directory.nodes()).map(({ id, state, sessions, room }) => `${id} ${state} ${sessions} ${room}`).join()
    await until('the room is known', async () => await seen() === 'a up 0 Infinity,b up 1 5')
    b!.node.draining = true
    b!.directory.announce()
    await until('the drain is known', async () => await seen() === 'a up 0 Infinity,b draining 1 0')
    t.strictSame((await a!.directory.nodes())[1], { id: 'b', url: 'http://10.0.0.2:3000', tag: b!.node.identity.tag, state: 'draining', sessions: 1, room: 0, format: FORMAT, endpoints: b!.node.identity.endpoints })
    await place.crash(b!.directory, b!.node.identity)
    await until('the dead is gone from the list', async () => await seen() === 'a up 0 Infinity')
  })

  t.test('a live node\'s id and url are its own', async t => {
    const { place } = await nodes(t, identity('a', 'http://10.0.0.1:3000'))
    await t.rejects(start(t, place, identity('a', 'http://10.0.0.2:3000')), { code: 'MCP_STICKY_ERR_NODE_DUPLICATE', message: /node\.id/ })
    await t.rejects(start(t, place, identity('b', 'http://10.0.0.1:3000')), { code: 'MCP_STICKY_ERR_NODE_DUPLICATE', message: /node\.url/ })
    await t.resolves(start(t, place, identity('b', 'http://10.0.0.2:3000')))
  })

  t.test('a dead node\'s id and url can be taken', async t => {
    const { place, nodes: [a] } = await nodes(t, identity('a', 'http://10.0.0.1:3000'))
    await place.crash(a!.directory, a!.node.identity)
    await t.resolves(start(t, place, identity('b', 'http://10.0.0.1:3000')))
    await t.resolves(start(t, place, identity('a', 'http://10.0.0.3:3000')))
  })

  t.test('of those who claim an orphan one wins, and may say so again', async t => {
    const { place, nodes: [a, b, c, d] } = await nodes(t, identity('a'), identity('b', 'http://10.0.0.2:3000'), identity('c', 'http://10.0.0.3:3000'), identity('d'))
    const record = a!.node.open('issuer|ann')
    await a!.directory.add(record)
    await place.crash(a!.directory, a!.node.identity)
    await until('the session is orphaned', async () => await statusOf(b!.directory, record.id) === 'orphaned')
    const seen = await recordOf(b!.directory, record.id)
    const outcomes = await Promise.all([b!, c!].map(({ directory }) => directory.claim(seen)))
    t.strictSame([...outcomes].sort(), ['claimed', 'lost'])
    const [winner, loser] = outcomes[0] === 'claimed' ? [b!, c!] : [c!, b!]
    t.equal(winner.node.epochs.get(record.id), winner.node.identity.epoch, 'the winner is told with which epoch')
    t.equal(await winner.directory.claim(seen), 'claimed', 'an answer may be lost')
    t.equal(await loser.directory.claim(seen), 'lost')
    const { url, tag, id, epoch } = winner.node.identity
    for (const { directory } of [loser, d!]) {
      t.match(await directory.locate(record.id, { fresh: true }), { status: 'misrouted', tag, url, record: { node: id, epoch, url, principal: 'issuer|ann', replay: record.replay } })
    }
    t.equal(await statusOf(winner.directory, record.id), 'orphaned', 'claimed and never taken over: whoever asks here may')
    winner.node.adopt(seen)
    t.equal(await winner.directory.reclaim(record.id), 'kept')
  })

  t.test('a claim of what is gone is lost', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    const seen = await recordOf(b!.directory, record.id)
    await b!.directory.remove(record.id, 'any')
    t.equal(await b!.directory.claim(seen), 'lost')
  })

  t.test('a node whose lease lapsed moves its sessions to a new epoch, and whoever saw the old one claims in vain', async t => {
    const { place, nodes: [b] } = await nodes(t, identity('b'))
    const a = await startLeased(t, place, identity('a'))
    const sessions = Array.from({ length: 3 }, () => a.node.open())
    for (const session of sessions) await a.directory.add(session)
    const old = a.node.identity.epoch
    const seen = await Promise.all(sessions.map(({ id }) => recordOf(b!.directory, id)))
    t.strictSame(seen.map(({ epoch }) => epoch), [old, old, old])
    a.lapse()
    t.equal(await a.directory.reclaim(sessions[0]!.id), 'kept')
    t.not(a.node.identity.epoch, old)
    t.equal(a.node.leased, true)
    t.equal(a.node.epochs.get(sessions[0]!.id), a.node.identity.epoch)
    t.equal((await recordOf(b!.directory, sessions[0]!.id)).epoch, a.node.identity.epoch)
    t.equal(await b!.directory.claim(seen[0]!), 'lost')
    await until('the others moved too', () => sessions.every(({ id }) => a.node.epochs.get(id) === a.node.identity.epoch))
    t.equal(await b!.directory.claim(seen[2]!), 'lost')
    t.strictSame(a.node.ended, [])
  })

  t.test('a claim is made by a node that the others see alive', async t => {
    const { place, nodes: [b, c] } = await nodes(t, identity('b'), identity('c'))
    const a = await startLeased(t, place, identity('a'))
    const record = b!.node.open()
    await b!.directory.add(record)
    await b!.directory.giveUp([record.id], 1000)
    a.lapse()
    t.equal(await a.directory.claim(await recordOf(a.directory, record.id)), 'claimed')
    t.equal(a.node.leased, true)
    t.match(await c!.directory.locate(record.id), { status: 'misrouted', record: { node: 'a', epoch: a.node.identity.epoch } })
  })

  t.test('unclaim puts a record back as it was and counts', async t => {
    const { place, nodes: [a, b, c] } = await nodes(t, identity('a', 'http://10.0.0.1:3000'), identity('b', 'http://10.0.0.2:3000'), identity('c'))
    const released = a!.node.open()
    const left = a!.node.open()
    await a!.directory.add(released)
    await a!.directory.add(left)
    await a!.directory.giveUp([released.id], 1000)
    await place.crash(a!.directory, a!.node.identity)
    await until('the sessions are orphaned', async () => await statusOf(b!.directory, left.id) === 'orphaned')
    for (const { id } of [released, left]) {
      const seen = await recordOf(b!.directory, id)
      t.equal(await b!.directory.claim(seen), 'claimed')
      await b!.directory.unclaim(seen)
      const { adoptionPause, ...back } = await recordOf(c!.directory, id)
      t.strictSame({ ...back, adoptionPause: 0 }, { ...seen, adoptionFailures: 1 })
      t.ok(adoptionPause! > 0 && adoptionPause! <= ADOPTION_PAUSES[0]!, 'and is left alone for a while')
      await b!.directory.unclaim(seen)
      t.equal((await recordOf(c!.directory, id)).adoptionFailures, 1, 'what is not ours is left alone')
      t.equal(await c!.directory.claim(seen), 'claimed')
      t.equal((await recordOf(b!.directory, id)).adoptionFailures, 1)
      await c!.directory.unclaim(seen)
      t.match(await recordOf(b!.directory, id), { node: seen.node, adoptionFailures: 1 }, 'one that had begun before is no failure of its own')
    }
  })

  t.test('adoptions that failed count no more once the session has lived', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    for (const live of ['it is used on', 'it is given up'] as const) {
      const session = a!.node.open()
      await a!.directory.add(session)
      const seen = await recordOf(b!.directory, session.id)
      t.equal(await b!.directory.claim(seen), 'claimed')
      await b!.directory.unclaim(seen)
      t.match(await recordOf(b!.directory, session.id), { node: 'a', adoptionFailures: 1 })
      t.equal(await b!.directory.claim(seen), 'claimed')
      t.match(await recordOf(a!.directory, session.id), { node: 'b', adoptionFailures: 1 }, 'it has not come yet')
      b!.node.adopt(seen)
      if (live === 'it is given up') await b!.directory.giveUp([session.id], 1000)
      else t.equal(await b!.directory.reclaim(session.id), 'kept')
      t.match(await recordOf(a!.directory, session.id), { node: 'b', adoptionFailures: 0, adoptionPause: 0 }, live)
    }
  })

  t.test('reclaim says whether a session is still ours', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const [kept, taken, closed] = [a!.node.open(), a!.node.open(), a!.node.open()]
    for (const record of [kept, taken, closed]) await a!.directory.add(record)
    t.equal(await b!.directory.claim(await recordOf(b!.directory, taken.id)), 'claimed')
    t.equal(await b!.directory.remove(closed.id, 'any'), 'removed')
    t.strictSame(await Promise.all([kept, taken, closed].map(({ id }) => a!.directory.reclaim(id))), ['kept', 'lost', 'lost'])
    t.strictSame(new Map(a!.node.ended), new Map([[taken.id, 'taken'], [closed.id, 'closed']]))
    t.equal((await recordOf(a!.directory, taken.id)).node, 'b')
    t.equal(await statusOf(a!.directory, closed.id), 'unknown')
    t.equal(await a!.directory.reclaim(newSessionId(a!.node.identity.tag)), 'lost', 'what is not here is not ours')
  })

  t.test('what a node gives up is orphaned at once, here and there, and its owner never renews it', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const [first, second, stays] = [a!.node.open(), a!.node.open(), a!.node.open()]
    for (const record of [first, second, stays]) await a!.directory.add(record)
    a!.node.sessions.set(first.id, { ...first, state: '{"n":1}' })
    a!.directory.changed(first.id)
    await a!.directory.giveUp([first.id, second.id], 1000)
    for (const { directory } of [a!, b!]) {
      t.match(await directory.locate(first.id), { status: 'orphaned', record: { released: true, state: '{"n":1}' } })
    }
    t.equal(await statusOf(b!.directory, stays.id), 'misrouted')
    t.equal(await a!.directory.reclaim(first.id), 'lost')
    a!.directory.discard(second.id)
    a!.directory.discard(stays.id)
    await until('its own is deleted', async () => await statusOf(b!.directory, stays.id) === 'unknown')
    const seen = await recordOf(b!.directory, first.id)
    t.equal(seen.released, true)
    t.equal(await a!.directory.claim(seen), 'claimed', 'it may take it back')
    t.equal(await b!.directory.claim(seen), 'lost', 'though its epoch is the same')
    t.equal(await b!.directory.claim(await recordOf(b!.directory, second.id)), 'claimed', 'a released one is not cleaned up')
    t.match(await a!.directory.locate(second.id), { status: 'misrouted', record: { node: 'b', released: undefined } })
  })

  t.test('what changes of a session is in its record', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    const change = async (changes: Partial<typeof record>) => {
      a!.node.sessions.set(record.id, { ...record, ...changes })
      a!.directory.changed(record.id)
      const wanted = { replay: undefined, state: undefined, ...changes }
      await until('the record shows it', async () => {
        const { replay, state } = await recordOf(b!.directory, record.id)
        return JSON.stringify({ replay, state }) === JSON.stringify(wanted)
      })
    }
    const replay = { initialize: '{"protocolVersion":"2025-11-25"}', logLevel: 'debug', subscriptions: ['test://a', 'test://b'] }
    await change({ replay, state: '{"cart":[1]}' })
    await change({ replay: { ...replay, subscriptions: [] }, state: undefined })
    await change({ replay: undefined })
    t.pass('each was seen')
  })

  t.test('a look that is fresh sees another owner', async t => {
    const { nodes: [a, b, c] } = await nodes(t, identity('a'), identity('b'), identity('c'))
    const record = a!.node.open()
    await a!.directory.add(record)
    const found = await b!.directory.locate(record.id)
    t.match(found, { status: 'misrouted', tag: a!.node.identity.tag })
    t.equal(await c!.directory.claim(await recordOf(c!.directory, record.id)), 'claimed')
    t.match(await b!.directory.locate(record.id, { fresh: true }), { status: 'misrouted', tag: c!.node.identity.tag })
    t.match(await b!.directory.locate(record.id), { status: 'misrouted', tag: c!.node.identity.tag })
  })

  t.test('an owner that is waited for beats, or is gone', async t => {
    const { place, nodes: [a, b] } = await nodes(t, identity('a', 'http://10.0.0.1:3000'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    const seen = await recordOf(b!.directory, record.id)
    await Promise.all(Array.from({ length: 10 }, () => b!.directory.awaitBeat(seen, 3_600_000)))
    t.equal(await statusOf(b!.directory, record.id), 'misrouted')
    await place.crash(a!.directory, a!.node.identity)
    await until('it is gone', async () => {
      await b!.directory.awaitBeat(seen, 3_600_000)
      return await statusOf(b!.directory, record.id) === 'orphaned'
    })
    await b!.directory.awaitBeat({ ...seen, node: 'never there' }, 3_600_000)
    t.match(b!.directory.lastSeen(a!.node.identity.tag), [{ id: 'a', url: 'http://10.0.0.1:3000' }], 'the dead is remembered')
    t.strictSame(b!.directory.lastSeen(b!.node.identity.tag), [])
    t.strictSame(b!.directory.lastSeen('0'.repeat(16)), [])
  })

  t.test('a node that restarts under its id adopts its own', async t => {
    const { place, nodes: [a] } = await nodes(t, identity('a'))
    const record = a!.node.open()
    await a!.directory.add(record)
    await place.crash(a!.directory, a!.node.identity)
    const again = await start(t, place, identity('a'))
    t.equal(await again.directory.claim(await recordOf(again.directory, record.id)), 'claimed')
    again.node.adopt(record)
    t.equal(await again.directory.reclaim(record.id), 'kept')
  })

  t.test('a node that stops gives its sessions up when it is told so', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const record = a!.node.open()
    await a!.directory.add(record)
    t.equal(await a!.directory.stop([record.id], 2000, { giveUp: true }), 0)
    t.match(await b!.directory.locate(record.id), { status: 'orphaned', record: { released: true } })
    t.strictSame((await b!.directory.list({ limit: 10 })).sessions.map(({ id }) => id), [record.id])
  })

  const TAG = '0123456789abcdef'

  t.test('of those who name another holder of a tag one wins, and all see it', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const [first, second, third] = ['a', 'b', 'c'].map(node => ({ node, incarnation: 'i', promised: 3 }))
    const seen = async (directory: SessionDirectory) => (await directory.tags.read()).get(TAG)
    const { tags } = a!.directory
    t.equal(await tags.move(TAG, undefined, first), true)
    t.equal(await tags.move(TAG, undefined, first), true, 'said again')
    t.equal(await b!.directory.tags.move(TAG, undefined, second), false)
    await until('both see it', async () => [await seen(a!.directory), await seen(b!.directory)].every(holder => holder?.node === 'a'))
    const moves = await Promise.all([a!.directory.tags.move(TAG, first, second), b!.directory.tags.move(TAG, first, third)])
    t.equal(moves.filter(Boolean).length, 1)
    const winner = moves[0] ? second : third
    t.equal(await tags.move(TAG, { ...winner!, promised: 4 }, undefined), false, 'the whole entry is compared')
    t.equal(await tags.move(TAG, winner, undefined), true)
    await until('it is gone', async () => await seen(b!.directory) === undefined)
  })

  t.test('what became of a session is known by its name, from every node, and after its end', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const id = newSessionId(a!.node.identity.tag)
    const name = sessionName(id)
    const steps: Step[] = [
      { what: 'opened', at: 1, node: 'a', endpoint: 'default' },
      { what: 'handed_over', at: 2, node: 'a', endpoint: 'default' },
      { what: 'adopted', at: 3, node: 'b', endpoint: 'default', from: 'a' }
    ]
    a!.directory.trails.note(id, steps[0]!)
    // Noted late by the one, and before that by the other.
    b!.directory.trails.note(id, steps[2]!)
    await until('b has noted it', async () => (await a!.directory.trails.read(name)).steps.some(({ what }) => what === 'adopted'))
    a!.directory.trails.note(id, steps[1]!)
    await until('all are noted', async () => (await b!.directory.trails.read(name)).steps.length === 3)
    t.strictSame(await b!.directory.trails.read(name), { id, steps })
    const end: Step = { what: 'ended', at: 4, node: 'b', endpoint: 'default', reason: 'idle' }
    b!.directory.trails.note(id, end)
    await until('its end is noted', async () => (await a!.directory.trails.read(name)).steps.length === 4)
    t.strictSame((await a!.directory.trails.read(name)).steps, [...steps, end])
    t.strictSame(await a!.directory.trails.read('unknown-name'), { steps: [] })
  })

  t.test('of a session that moves and moves the last steps are kept', async t => {
    const { nodes: [a] } = await nodes(t, identity('a'))
    const id = newSessionId(a!.node.identity.tag)
    for (let at = 1; at <= STEPS + 3; at++) a!.directory.trails.note(id, { what: 'adopted', at, node: 'a', endpoint: 'default', from: 'b' })
    const read = () => a!.directory.trails.read(sessionName(id))
    await until('all are noted', async () => (await read()).steps.at(-1)?.at === STEPS + 3)
    t.strictSame((await read()).steps.map(({ at }) => at), Array.from({ length: STEPS }, (_, i) => i + 4))
  })

  t.test('peers are the live nodes, with what matters to who names a holder', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a', 'http://10.0.0.1:3000'), identity('b'))
    const { id, tag, incarnation, started } = a!.node.identity
    Object.assign(a!.node.tagged, { x: 2 })
    a!.directory.announce()
    await until('all of it is told', async () => {
      const peer = (await b!.directory.peers()).find(peer => peer.id === id)
      return peer?.tagged['x'] === 2 && JSON.stringify([peer.incarnation, peer.started, peer.tags, peer.state]) === JSON.stringify([incarnation, started, [tag], 'up'])
    })
    t.strictSame(Object.keys((await b!.directory.nodes())[0]!).sort(), ['endpoints', 'format', 'id', 'room', 'sessions', 'state', 'tag', 'url'])
  })
}
