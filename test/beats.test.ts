import t from 'tap'
import { assertBeats, BEATS, HEARTBEAT } from '../lib/beats.ts'

t.test('what must outlast something does', async t => {
  t.doesNotThrow(() => assertBeats())
  t.ok(HEARTBEAT.least <= HEARTBEAT.usual && HEARTBEAT.usual <= HEARTBEAT.most)
})

t.test('each number that is moved too far breaks a rule', async t => {
  const { lease, place, patience } = BEATS
  const broken: Array<[Partial<typeof BEATS>, RegExp]> = [
    [{ lease: 1 }, /lease > 1/],
    [{ lease: place }, /lease < place/],
    [{ place: lease }, /lease < place/],
    [{ place: place + 1 }, /doubt >= place/],
    [{ doubt: place - 0.5 }, /doubt >= place/],
    [{ patience: place - 0.5 }, /patience >= place/],
    [{ told: place }, /told > place/],
    [{ rival: 1 }, /rival > 1/],
    [{ shut: patience }, /shut > patience/],
    [{ short: 1 }, /short > 1/]
  ]
  for (const [change, message] of broken) t.throws(() => assertBeats({ ...BEATS, ...change }), { message }, JSON.stringify(change))
  t.strictSame(Object.keys(BEATS).filter(name => !broken.some(([change]) => name in change)), ['silence', 'all'], 'these alone are free')
})
