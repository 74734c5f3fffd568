import t from 'tap'
import type { EventStore } from '../../../lib/transport/mcp-server.ts'
import { StreamNames, streamOfEvent } from '../../../lib/transport/streams/stream-names.ts'
import { SESSION_ID } from '../../fixtures/wired-transport.ts'

t.test('names are of one session and server object, and none comes twice', async t => {
  const [one, later, other] = [new StreamNames(SESSION_ID, 'to_1'), new StreamNames(SESSION_ID, 'to_2'), new StreamNames(SESSION_ID.replace('_', '-'), 'to_1')]
  const names = [one, later, other].flatMap(names => [names.next('post'), names.next('get'), names.next('post')])
  t.equal(new Set(names).size, 9)
  for (const name of names) t.match(name, /^[^_]+$/, 'without what the SDK cuts ids at')
  t.strictSame(names.map(name => one.kindOf(name)), [...Array(2).fill(['post', 'get', 'post']).flat(), undefined, undefined, undefined], 'also those of the server object before')
})

t.test('what is no name of a stream is none', async t => {
  const names = new StreamNames(SESSION_ID, 'token')
  const name = names.next('get')
  for (const wrong of ['', 'get1', `x${name}`, `${name}x`, name.replace('get', 'put'), name.replace('.', '')]) t.equal(names.kindOf(wrong), undefined, wrong)
})

t.test('the stream of an event is what the store says, or what it replays', async t => {
  const replayEventsAfter = async (id: string) => `replayed ${id}`
  t.equal(await streamOfEvent({ replayEventsAfter } as unknown as EventStore, 'e'), 'replayed e')
  t.equal(await streamOfEvent({ replayEventsAfter, getStreamIdForEventId: async () => undefined } as unknown as EventStore, 'e'), undefined)
})
