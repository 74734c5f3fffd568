// What the doctor is asked, how it runs checks, and what it prints.
import t from 'tap'
import { run } from '../../../lib/cli/run.ts'
import { examine, failed, ok } from '../../../lib/cli/doctor/check.ts'
import type { Check } from '../../../lib/cli/doctor/check.ts'
import { asJson, asText, without } from '../../../lib/cli/doctor/report.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { examined } from './setup.ts'

const check = (name: string, more: Partial<Check<undefined>> = {}): Check<undefined> => ({ name, why: `why ${name}`, cure: { nginx: `cure ${name}` }, run: async () => ok('well'), ...more })

t.test('checks run in turn; one that throws or hangs has failed, and one that fails may shut out the rest', async t => {
  const found = await examine([
    check('well'),
    check('odd', { run: async () => { throw new AggregateError([new Error('refused')]) } }),
    check('slow', { bound: () => 10, run: () => new Promise(() => {}) }),
    check('deaf', { bound: () => 10, run: (_on, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))) }),
    check('left out', { skip: () => 'for a reason', run: async () => { throw new Error('not to be run') } }),
    check('gate', { gate: true, run: async () => failed('shut') }),
    check('behind')
  ], undefined)
  t.match(found, [
    { check: 'well', verdict: 'ok', saw: 'well', why: 'why well', cure: { nginx: 'cure well' } },
    { check: 'odd', verdict: 'failed', saw: 'refused' },
    { check: 'slow', verdict: 'failed', saw: 'no answer within 0.01 s' },
    { check: 'deaf', verdict: 'failed', saw: 'no answer within 0.01 s' },
    { check: 'left out', verdict: 'skipped', saw: 'for a reason' },
    { check: 'gate', verdict: 'failed' },
    { check: 'behind', verdict: 'skipped', saw: 'gate has failed' }
  ])
})

t.test('a table, then why and the cure of what has failed; control characters do nothing, secrets are not there', async t => {
  const finding = { check: 'events', why: 'because', cure: { nginx: 'off' } }
  const found = without(['secret-token'], [{ ...finding, verdict: 'ok', saw: 'well' }, { ...finding, verdict: 'failed', saw: '\u001b[31m secret-token' }])
  t.equal(asText(found), `CHECK   VERDICT  SAW
events  ok       well
events  failed   \\u001b[31m ***

events: \\u001b[31m ***
  because
  nginx:      off

1 of 2 checks failed.
`)
  t.strictSame(JSON.parse(asJson(found))[1], { check: 'events', verdict: 'failed', saw: '\u001b[31m ***', why: 'because', cure: { nginx: 'off' } })
  t.match(asText(found.slice(0, 1)), /No check has failed\.\n$/)
})

t.test('what is asked wrongly, and nobody there', async t => {
  const url = `http://127.0.0.1:${await freePort()}/mcp`
  t.match(await examined([]), { code: 2, err: 'there is nothing to look at' })
  t.match(await examined(['localhost/mcp']), { code: 2, err: 'URL must be the endpoint' })
  t.match(await examined(['ftp://localhost/mcp']), { code: 2, err: 'URL must be the endpoint' })
  t.match(await examined([url, 'more']), { code: 2, err: '"more" is more than is asked for' })
  t.match(await examined([url, '--origin', 'https://app.example.com/page']), { code: 2, err: '--origin' })
  t.match(await examined([url, '--patience', '5']), { code: 2, err: '--patience' })
  for (const args of [['http://ann:hunter2-pass@localhost/mcp'], [url, '--header', 'hunter2-pass'], [url, '--header', 'a b: hunter2-pass'], [url, '--header', 'a: hunter2-pass\nb: c']]) {
    const found = await examined(args)
    t.match(found, { code: 2, out: '' })
    t.notOk(found.err.includes('hunter2'), found.err)
  }
  t.match(await examined([url]), { code: 3, out: '', err: /^127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/ })
  const gone = await examined(['--redis', `redis://:hunter2-pass@127.0.0.1:${await freePort()}`])
  t.match(gone, { code: 3, err: 'Redis cannot be reached' })
  t.notOk(gone.err.includes('hunter2'))
  t.match(await examined([], { MCP_STICKY_REDIS: `redis://127.0.0.1:${await freePort()}` }), { code: 3 }, 'the environment says where Redis is')
  let help = ''
  t.equal(await run(['doctor', '--help'], { out: text => { help += text }, err: () => {}, env: {} }), 0)
  t.match(help, /^fastify-mcp-sticky doctor \[URL\][^]*--key-prefix/)
})
