import t from 'tap'
import { assertBeats, BEATS, HEARTBEAT } from '../lib/beats.ts'

t.test('what must outlast something does', async t => {
  t.doesNotThrow(() => assertBeats())
  t.ok(HEARTBEAT.least <= HEARTBEAT.usual && HEARTBEAT.usual <= HEARTBEAT.most)
})

t.test('each number that is moved too far breaks a rule', async t => {
  const { lease, key, patience } = BEATS
  const broken: Array<[Partial<typeof BEATS>, RegExp]> = [
    [{ lease: 1 }, /lease > 1/],
    [{ lease: key }, /lease < key/],
    [{ key: lease }, /lease < key/],
    [{ key: key + 1 }, /doubt >= key/],
    [{ doubt: key - 0.5 }, /doubt >= key/],
    [{ patience: key - 0.5 }, /patience >= key/],
    [{ told: key }, /told > key/],
    [{ rival: 1 }, /rival > 1/],
    [{ shut: patience }, /shut > patience/],
    [{ short: 1 }, /short > 1/]
  ]
  for (const [change, message] of broken) t.throws(() => assertBeats({ ...BEATS, ...change }), { message }, JSON.stringify(change))
  t.strictSame(Object.keys(BEATS).filter(name => !broken.some(([change]) => name in change)), ['silence', 'look'], 'these alone are free')
})
