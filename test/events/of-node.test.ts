import t from 'tap'
import { channelOf } from '../../lib/events/channels.ts'
import { onEventOf } from '../../lib/events/of-node.ts'

t.test('events of one node, until it is ended', async t => {
  const heard: string[] = []
  const end = onEventOf('a', 'node.draining', ({ node, sessions }) => { heard.push(`${node} ${sessions}`) })
  channelOf('node.draining').publish({ event: 'node.draining', node: 'a', sessions: 1 })
  channelOf('node.draining').publish({ event: 'node.draining', node: 'b', sessions: 2 })
  end()
  channelOf('node.draining').publish({ event: 'node.draining', node: 'a', sessions: 3 })
  t.strictSame(heard, ['a 1'])
  t.notOk(channelOf('node.draining').hasSubscribers)
})
