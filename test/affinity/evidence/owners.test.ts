import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Said } from '../../../lib/affinity/evidence/owner-question.ts'
import { newCounters } from '../../../lib/counters.ts'
import { Owners } from '../../../lib/affinity/evidence/owners.ts'
import type { SessionRecord } from '../../../lib/directory/record.ts'
import { keptLog } from '../../fixtures/log.ts'

const LIMIT = 60_000
const record = { id: 'tag.session', node: 'there', epoch: 'there.0', url: 'http://127.0.0.1:1', owner: { format: 1, reached: true } } as SessionRecord
const unproven: Said = { said: 'unproven', error: new Error('something else answered there') }

t.test('what answers without a proof is believed until it is asked again, and no longer', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const owners = new Owners({ endpoint: 'default', own: undefined, ask: async () => unproven, life: LIMIT, unprovenTimeout: LIMIT, counters: newCounters(), log: keptLog() as never })
  t.match(await owners.recorded(record), { owner: 'uncertain' })
  t.match(await owners.recorded(record), { owner: 'uncertain' }, 'asked at once it says the same')
  mock.timers.tick(LIMIT)
  await turn()
  t.match(await owners.recorded(record), { owner: 'gone' })
})

t.test('a question from before a proof says nothing of what comes after it', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let answer = (_said: Said): void => {}
  const answers: Array<Said | Promise<Said>> = [unproven, new Promise<Said>(resolve => { answer = resolve }), { said: 'proven', held: { [record.id]: record.epoch }, doubtful: false }, unproven, unproven]
  const owners = new Owners({ endpoint: 'default', own: undefined, ask: async () => answers.shift()!, life: LIMIT, unprovenTimeout: LIMIT, counters: newCounters(), log: keptLog() as never })
  t.match(await owners.recorded(record), { owner: 'uncertain' })
  mock.timers.tick(LIMIT)
  t.match(await owners.recorded(record), { owner: 'holds' })
  t.match(await owners.recorded(record), { owner: 'uncertain' })
  answer(unproven)
  await turn()
  t.match(await owners.recorded(record), { owner: 'uncertain' }, 'it is asked again first')
  owners.stop()
})
