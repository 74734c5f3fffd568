import t from 'tap'
import { isDue } from '../../lib/sessions/reaper.ts'

const limits = { idleTimeout: 1000, firstUseTimeout: 100 }
const session = { busy: false, streams: 0, used: true, seen: 0 }

t.test('a used session is due after the idle time', async t => {
  t.equal(isDue(session, limits, 999), undefined)
  t.equal(isDue(session, limits, 1000), 'idle')
})

t.test('one whose client never came back is due earlier', async t => {
  t.equal(isDue({ ...session, used: false }, limits, 99), undefined)
  t.equal(isDue({ ...session, used: false }, limits, 100), 'never_used')
  t.equal(isDue({ ...session, used: false }, { ...limits, firstUseTimeout: Infinity }, 1000), 'idle')
})

t.test('an open stream or a call in flight keeps it for ever', async t => {
  t.equal(isDue({ ...session, streams: 1 }, limits, 1e9), undefined)
  t.equal(isDue({ ...session, busy: true, used: false }, limits, 1e9), undefined)
})

t.test('infinite limits end nothing', async t => {
  t.equal(isDue({ ...session, used: false }, { idleTimeout: Infinity, firstUseTimeout: Infinity }, 1e15), undefined)
})
