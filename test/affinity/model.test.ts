import t from 'tap'
import type { Faults } from './model/node.ts'
import { Schedule } from './model/schedule.ts'
import type { Counts } from './model/schedule.ts'
import { fakeTime } from './model/world.ts'
import type { World } from './model/world.ts'

/** One schedule alone: what a failure has printed. */
const SEED = process.env['MCP_STICKY_MODEL_SEED']
const SCHEDULES = Number(process.env['MCP_STICKY_MODEL_SCHEDULES'] ?? 40)
const STEPS = 60
/** Faults, and the seed at which the search for one that shows it begins. */
const FAULTS = { endlessLease: 15, blindClaim: 578, readOnlyReclaim: 1, silentClose: 54, deafness: 1 }
/** Schedules that are searched. */
const SEARCHED = 300
/** The end of a trace that a failure prints. */
const TAIL = 80

let world: World
t.before(() => { t.teardown(fakeTime(() => world)) })

/** Runs one schedule; says what it did if it went wrong. */
async function run (seed: number, faults: Faults = {}): Promise<Schedule> {
  const schedule = new Schedule(seed, faults)
  world = schedule.world
  await schedule.run(STEPS)
  return schedule
}

t.test('whatever happens to nodes and Redis, a session has one owner and is not lost', async t => {
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => { unhandled.push(error) }
  process.on('unhandledRejection', onUnhandled)
  t.teardown(() => process.off('unhandledRejection', onUnhandled))
  const first = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED)
  t.comment(`seeds from ${first}`)
  const total: Counts = { steps: 0, answers: 0, adoptions: 0, unsure: 0, refusals: 0, closed: 0, checked: 0 }
  for (let i = 0; i < (SEED === undefined ? SCHEDULES : 1); i++) {
    const seed = first + i
    const { violations, trace, counts } = await run(seed)
    for (const key of Object.keys(total) as Array<keyof Counts>) total[key] += counts[key]
    if (violations.length === 0 && unhandled.length === 0) continue
    return t.fail(`MCP_STICKY_MODEL_SEED=${seed}: ${violations[0] ?? 'an unhandled rejection'}`, { violations, unhandled: unhandled.map(String), trace: trace.slice(-TAIL) })
  }
  t.comment(JSON.stringify(total))
  for (const [what, count] of Object.entries(total)) t.ok(SEED !== undefined || count > 0, `${count} ${what}`)
})

t.test('a seed is a schedule', async t => {
  const [one, again, another] = [await run(1), await run(1), await run(2)]
  t.strictSame(again.trace, one.trace)
  t.not(another.trace.join('\n'), one.trace.join('\n'))
})

for (const [fault, first] of Object.entries(FAULTS)) {
  t.test(`the model notices a fault: ${fault}`, async t => {
    for (let seed = first; seed < first + SEARCHED; seed++) {
      const { violations } = await run(seed, { [fault]: true })
      if (violations.length === 0) continue
      t.comment(`seed ${seed}: ${violations[0]}`)
      return t.strictSame((await run(seed)).violations, [], 'and nothing without it')
    }
    t.fail('it was not noticed')
  })
}
