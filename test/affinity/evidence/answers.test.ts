import t from 'tap'
import type { AddressInfo } from 'node:net'
import { answers } from '../../../lib/affinity/evidence/answers.ts'
import { startRelay } from '../../fixtures/relay.ts'
import { startOwner } from '../forwarding/node.ts'

t.test('only silence is no answer', async t => {
  const owner = await startOwner(t, (_request, response) => { response.writeHead(500).end() })
  const { port } = owner.server.address() as AddressInfo
  for (const url of [owner.url, `http://localhost:${port}`, `https://127.0.0.1:${port}`, 'http://name.invalid:1']) t.equal(await answers(url), true, url)
  const relay = await startRelay(t, port)
  relay.silence()
  t.equal(await answers(relay.url), false)
  owner.server.close()
  t.equal(await answers(owner.url), false)
})
