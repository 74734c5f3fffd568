import t from 'tap'
import { sessionfulOf, SessionVersions } from '../../lib/transport/versions.ts'

const versions = (negotiated?: string): SessionVersions => Object.assign(new SessionVersions(), { negotiated })

t.test('what came after sessions is left out', async t => {
  t.strictSame(sessionfulOf(['2026-01-01', '2025-11-25', '2024-10-07', '2025-11-26']), ['2025-11-25', '2024-10-07'])
})

t.test('before there is an agreement the newest version with sessions holds', async t => {
  t.equal(versions().current, '2025-11-25')
  t.equal(versions('2025-06-18').current, '2025-06-18')
})

t.test('one version has batches, and the newest are told where a stream begins', async t => {
  const all = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']
  t.strictSame(all.filter(version => versions(version).batches), ['2025-03-26'])
  t.strictSame(all.filter(version => versions(version).priming), ['2025-11-25'])
  t.equal(versions().priming, false, 'nobody has said that it is understood')
})

t.test('a header may name any version that the server speaks, and the one that was agreed on', async t => {
  const own = versions('2025-01-01')
  t.strictSame([undefined, '2025-01-01', '2025-06-18', '2025-01-02', ''].map(header => own.accepts(header)), [true, true, true, false, false])
  own.accepted = ['2025-11-25']
  t.strictSame(['2025-11-25', '2025-06-18'].map(header => own.accepts(header)), [true, false])
})
