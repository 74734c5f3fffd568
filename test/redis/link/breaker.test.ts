import t from 'tap'
import { Breaker } from '../../../lib/redis/link/breaker.ts'

const NEVER = 3_600_000

function setUp (retry: number) {
  const told: string[] = []
  return { told, breaker: new Breaker({ opened: why => told.push(why), closed: () => told.push('closed'), answered () {} }, retry) }
}

t.test('an unanswered command is the probe: no other is admitted until it is answered', async t => {
  const { breaker, told } = setUp(0)
  t.equal(breaker.admits(), true)
  breaker.overdue({}, 250)
  t.strictSame([breaker.open, breaker.admits(), breaker.admits()], [true, false, false])
  breaker.answered(251)
  t.strictSame([breaker.open, breaker.admits()], [false, true])
  t.strictSame(told, ['no answer within 250 ms', 'closed'])
})

t.test('when the client gave up on it, one command at a time may try', async t => {
  const { breaker, told } = setUp(NEVER)
  const command = {}
  breaker.overdue(command, 250)
  breaker.failed(command, 'Command timed out')
  t.equal(breaker.admits(), false, 'not at once')
  t.equal(told.length, 1, 'opened once')
  const eager = setUp(0).breaker
  eager.failed({}, 'Connection is closed.')
  t.equal(eager.admits(), true)
  eager.overdue({}, 250)
  t.equal(eager.admits(), false)
})

t.test('a server that is slow is not taken for one that hangs', async t => {
  const { breaker } = setUp(0)
  t.equal(breaker.patience(250), 250, 'nothing is known of it')
  breaker.answered(1)
  t.equal(breaker.patience(250), 250)
  breaker.answered(300)
  t.equal(breaker.patience(250), 900)
  t.equal(breaker.patience(5000), 5000, 'a caller may wait longer')
  breaker.answered(800)
  t.equal(breaker.patience(250), 1000, 'no server is waited for longer than that')
  for (let i = 0; i < 100; i++) breaker.answered(1)
  t.equal(breaker.patience(250), 250, 'it has become fast')
})

t.test('it is silent while a command would be refused, but not while one is finding out', async t => {
  const { breaker } = setUp(0)
  t.equal(breaker.silent, false)
  const late = {}
  breaker.overdue(late, 250)
  t.equal(breaker.silent, true)
  breaker.failed(late, 'Command timed out')
  t.equal(breaker.silent, false, 'the next may try')
  const probe = {}
  t.equal(breaker.admits(), true)
  breaker.issued(probe)
  t.equal(breaker.silent, false)
  breaker.failed({}, 'another that was given up')
  t.equal(breaker.silent, false, 'it is still on its way')
  breaker.overdue(probe, 250)
  t.equal(breaker.silent, true)
  breaker.answered(1)
  t.equal(breaker.silent, false)

  const patient = setUp(NEVER).breaker
  const given = {}
  patient.failed(given, 'Connection is closed.')
  t.equal(patient.silent, true, 'nobody may try yet')
})
