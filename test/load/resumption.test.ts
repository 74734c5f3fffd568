// A stream whose owner dies goes on at another node: every stored event once, in order, and an end that says so.
import t from 'tap'
import { request } from 'undici'
import { call, open } from '../fixtures/http.ts'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import { eventsOf } from '../fixtures/load/events.ts'
import type { ServerEvent } from '../fixtures/load/events.ts'
import { full } from '../fixtures/load/size.ts'
import { connect } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const STREAMS = full ? 50 : 10
const TOTAL = 10_000

/** One client's view of one call: what it has got of the stream so far. */
class Caller {
  readonly id: string
  readonly events: ServerEvent[] = []

  constructor (id: string) {
    this.id = id
  }

  get numbers (): number[] { return this.events.flatMap(({ message }) => message?.params?.progress ?? []) }
  get answer (): any { return this.events.find(({ message }) => message?.id === 'numbers')?.message }

  /** Resolves when the stream has ended, however that was. */
  async begin (url: string): Promise<void> {
    const answer = await request(url, {
      method: 'POST',
      headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json', 'mcp-session-id': this.id },
      body: JSON.stringify({ ...call('numbers', { total: TOTAL, pace: 5 }, 'numbers'), params: { name: 'numbers', arguments: { total: TOTAL, pace: 5 }, _meta: { progressToken: 'n' } } })
    })
    await this.#read(answer.body).catch(() => {})
  }

  /** Comes back for what was missed; resolves when the stream has ended. */
  async resume (url: string): Promise<number> {
    const { statusCode, body } = await request(url, {
      headers: { accept: 'text/event-stream', 'mcp-session-id': this.id, 'last-event-id': this.events.findLast(({ id }) => id !== undefined)!.id! }
    })
    if (statusCode === 200) await this.#read(body)
    else await body.dump()
    return statusCode
  }

  async #read (body: AsyncIterable<Buffer>): Promise<void> {
    for await (const event of eventsOf(body)) this.events.push(event)
  }
}

t.test('kill -9 of the owner in the middle of streams of numbered events', async t => {
  const { places: [owner, ...others], kill, redis, keyPrefix } = await startLoadCluster(t, 'none', { orphan: 'adopt', events: true })
  const callers = await Promise.all(Array.from({ length: STREAMS }, async () => new Caller(await open(owner!.url))))
  const begun = callers.map(caller => caller.begin(owner!.url))
  await until('all streams run', () => callers.every(({ numbers }) => numbers.length > 20))
  await kill(owner!)
  await Promise.all(begun)
  for (const { answer } of callers) t.equal(answer, undefined)

  const statuses = await Promise.all(callers.map((caller, i) => caller.resume(others[i % 2]!.url)))
  t.same([...new Set(statuses)], [200])
  const client = connect(t, redis)
  let last = 0
  for (const { id, events, numbers, answer } of callers) {
    const stored = await client.xrange(`${keyPrefix}events:${id}`, '-', '+')
    t.equal(numbers.length, stored.filter(([, fields]) => fields.some(field => field.includes('"progress":'))).length, 'everything that is stored has come')
    const ids = events.flatMap(({ id }) => id ?? [])
    t.equal(new Set(ids).size, ids.length, 'no event came twice')
    t.same(numbers, numbers.map((_, i) => i + 1), 'the numbers are complete and in order')
    t.match(answer, { error: { data: { reason: 'owner_lost' } } }, 'the call ends with an error')
    t.ok(numbers.length < TOTAL)
    last = Math.max(last, numbers.length)
  }
  t.comment(`${STREAMS} streams, resumed on two other nodes after up to ${last} events`)
})
