import { mock } from 'node:test'
import t from 'tap'
import { channelOf } from '../../../lib/events/channels.ts'
import { LiveEvents } from '../../../lib/redis/nodes/live-events.ts'
import type { LiveMessage } from '../../../lib/redis/nodes/live-events.ts'

const opened = (node: string, session = 'n') => ({ event: 'session.opened', node, endpoint: 'default', session })

function setUp () {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const messages: LiveMessage[] = []
  const link = { run: async (_script: unknown, _key: string, [message]: string[] = []) => { messages.push(JSON.parse(message!) as LiveMessage) } }
  const live = new LiveEvents({ link, keys: { live: 'mcp:live' }, node: 'a', onFailed: error => { throw error } })
  return { live, messages }
}

t.afterEach(() => mock.timers.reset())

t.test('says at once that it listens, then what happens in this node, gathered', async t => {
  const { live, messages } = setUp()
  t.notOk(channelOf('session.opened').hasSubscribers, 'nobody, before somebody watches')
  live.asked(false)
  t.strictSame(messages, [{ node: 'a', events: [], more: 0 }])
  for (const node of ['a', 'b', 'a']) channelOf('session.opened').publish(opened(node))
  t.equal(messages.length, 1)
  mock.timers.tick(100)
  t.strictSame(messages[1], { node: 'a', events: [{ at: 0, ...opened('a') }, { at: 0, ...opened('a') }], more: 0 })
  live.stop()
})

t.test('those of calls only for whoever asks for them', async t => {
  const { live } = setUp()
  live.asked(false)
  t.notOk(channelOf('request.done').hasSubscribers)
  live.asked(true)
  live.asked(false)
  t.ok(channelOf('request.done').hasSubscribers, 'one watches still')
  mock.timers.tick(20_000)
  live.asked(false)
  mock.timers.tick(10_000)
  t.notOk(channelOf('request.done').hasSubscribers, 'whoever wanted calls is gone')
  t.ok(channelOf('session.opened').hasSubscribers, 'and another is not')
  live.stop()
  live.asked(true)
  t.notOk(channelOf('session.opened').hasSubscribers, 'a node that is closed tells nothing')
})

t.test('of a flood so many, and how many more', async t => {
  const { live, messages } = setUp()
  live.asked(false)
  for (let i = 0; i < 502; i++) channelOf('session.opened').publish(opened('a'))
  mock.timers.tick(100)
  t.equal(messages[1]!.events.length, 500)
  t.equal(messages[1]!.more, 2)
  live.stop()
})

t.test('ends half a minute after it was asked last', async t => {
  const { live, messages } = setUp()
  live.asked(false)
  mock.timers.tick(20_000)
  live.asked(false)
  mock.timers.tick(20_000)
  t.ok(channelOf('session.opened').hasSubscribers)
  channelOf('session.opened').publish(opened('a'))
  mock.timers.tick(10_000)
  t.notOk(channelOf('session.opened').hasSubscribers)
  t.equal(messages.at(-1)!.events.length, 1, 'nothing is left behind')
})
