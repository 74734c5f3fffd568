import { maxHeaderSize } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import { exceeds, fieldLimits } from '../../../lib/routes/checks/field-size.ts'

const limitsOf = (server: object) => fieldLimits(server as FastifyInstance['server'])
const incoming = (target: string, rawHeaders: string[], hop = false) => ({ request: { originalUrl: target, raw: { rawHeaders } } as unknown as FastifyRequest, hop })

t.test('a client may send what the server takes, less what a node may add', async t => {
  const usual = limitsOf({})
  t.ok(usual.bytes < maxHeaderSize && usual.bytes > maxHeaderSize / 2)
  t.ok(usual.fields < 1000 && usual.fields > 900)
  t.equal(limitsOf({ maxHeaderSize: maxHeaderSize + 1000 }).bytes, usual.bytes + 1000)
  t.equal(limitsOf({ maxHeadersCount: 2000 }).fields, usual.fields + 1000)
  t.equal(limitsOf({ maxHeadersCount: 0 }).fields, Infinity, '0 is no limit to Node')
  t.equal(limitsOf({ maxHeadersCount: null }).fields, usual.fields, 'null is its own')
})

t.test('the target counts as names and values do, and what is allowed is allowed to the last', async t => {
  const limits = { bytes: 10, fields: 2 }
  t.equal(exceeds(limits, incoming('/ab', ['a', 'bc', 'd', 'efg'])), false)
  t.equal(exceeds(limits, incoming('/abc', ['a', 'bc', 'd', 'efg'])), true)
  t.equal(exceeds(limits, incoming('/ab', ['a', 'bc', 'd', 'efgh'])), true)
  t.equal(exceeds(limits, incoming('/', ['a', '', 'b', '', 'c', ''])), true)
})

t.test('what another node has passed on was measured there', async t => {
  const limits = { bytes: 10, fields: 2 }
  t.equal(exceeds(limits, incoming('/', ['a', 'x'.repeat(100)], true)), false)
  t.equal(exceeds(limits, incoming('/', ['a', '', 'b', '', 'c', ''], true)), false)
})
