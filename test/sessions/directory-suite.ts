import type { Test } from 'tap'
import { newSessionId } from '../../lib/session-id.ts'
import type { NodeIdentity, SessionDirectory } from '../../lib/sessions/directory.ts'
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

  const start = async (t: Test, place: Home, id: NodeIdentity) => {
    const node = new FakeNode(id)
    const directory = await place.directory(id)
    t.teardown(() => directory.stop([], 1000))
    await directory.start(node)
    return { node, directory }
  }

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

  t.test('release deletes our own record alone', async t => {
    const { nodes: [a, b] } = await nodes(t, identity('a'), identity('b'))
    const ours = a!.node.open()
    const theirs = b!.node.open()
    await a!.directory.add(ours)
    await b!.directory.add(theirs)
    a!.node.sessions.delete(ours.id)
    a!.directory.release(theirs.id)
    a!.directory.release(ours.id)
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
    await until('its record is gone', async () => (await b!.directory.locate(record.id)).status === 'unknown')
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
    t.strictSame((await a!.directory.nodes())[1], { id: 'b', url: 'http://10.0.0.2:3000', tag: b!.node.identity.tag, state: 'draining', sessions: 1, room: 0 })
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
}
