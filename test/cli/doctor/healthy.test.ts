// A cluster that is well, from outside and inside.
import t from 'tap'
import { until } from '../../fixtures/until.ts'
import { inside, having, outside, startPatients } from './setup.ts'

t.test('two nodes behind a proxy that goes round: nothing fails, and nothing is left', async t => {
  const patients = await startPatients(t)
  const found = await outside(t, patients.nodes, {}, inside(patients))
  t.strictSame(having('failed', found), [], found.out)
  t.strictSame(having('skipped', found), ['tls', 'oauth', 'cors', 'pings-with-cookies', 'long-stream'])
  t.match(found, { code: 0, err: '' })
  await until('the sessions are gone', () => patients.nodes.every(({ app }) => app.mcpSessions.size === 0))
  t.equal(patients.nodes.reduce((sum, { app }) => sum + app.mcpSessions.counters.ended.requested, 0), patients.nodes.reduce((sum, { app }) => sum + app.mcpSessions.counters.opened, 0))
})
