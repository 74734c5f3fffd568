import Fastify from 'fastify'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { bodyRefusal, readJson } from '../../../lib/routes/checks/body.ts'
import type { RouteContext } from '../../../lib/routes/context.ts'

t.test('what is wrong with a body has a refusal, another error has none', async t => {
  t.strictSame(bodyRefusal({ code: 'FST_ERR_CTP_BODY_TOO_LARGE' }, 100), { reason: 'body_too_large', detail: '100' })
  t.strictSame(bodyRefusal({ code: 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' }, 100), { reason: 'body_incomplete' })
  t.strictSame(bodyRefusal({ code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE' }, 100), { reason: 'unsupported_media_type' })
  for (const error of [new Error('other'), { code: 'FST_ERR_VALIDATION' }, { code: 413 }]) t.equal(bodyRefusal(error, 100), undefined)
})

t.test('Fastify\'s errors have these codes', async t => {
  const app = Fastify({ bodyLimit: 4 })
  t.teardown(() => app.close())
  const reasons: unknown[] = []
  app.setErrorHandler((error, _request, reply) => {
    reasons.push(bodyRefusal(error, 4)?.reason)
    reply.code(400).send()
  })
  app.post('/', () => ({}))
  const post = (headers: Record<string, string>, payload: string) => app.inject({ method: 'POST', url: '/', headers, payload })
  await post({ 'content-type': 'application/json' }, '[1,2]')
  await post({ 'content-type': 'application/json', 'content-length': '3' }, '{}')
  await post({ 'content-type': 'a/b' }, 'a')
  t.strictSame(reasons, ['body_too_large', 'body_incomplete', 'unsupported_media_type'])
})

t.test('a body is read by the application\'s rules; what is none, or no JSON, is undefined', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const parseJson = app.getDefaultJsonParser('error', 'remove') as unknown as RouteContext['parseJson']
  const read = (body: string | undefined) => readJson({ parseJson } as RouteContext, { body: body === undefined ? undefined : Buffer.from(body) } as unknown as FastifyRequest)
  t.strictSame(read('{"a":"ü"}'), { a: 'ü' })
  t.equal(read('null'), null)
  for (const body of [undefined, '', '{', '{"__proto__":{}}']) t.equal(read(body), undefined, String(body))
  t.strictSame(read('{"b":1,"constructor":{"prototype":{}}}'), { b: 1 })
})
