import t from 'tap'
import { accepting, accepts, isJson } from '../../../lib/routes/checks/headers.ts'

t.test('application/json, with any parameters', async t => {
  for (const value of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=utf-8', 'application/json;']) t.ok(isJson(value), String(value))
  for (const value of [undefined, '', 'text/plain', 'text/plain; a=application/json', 'application/json-rpc', 'application/jsonx', 'application/json, text/plain', 'application/json;a=b, text/plain']) t.notOk(isJson(value), String(value))
})

t.test('Accept must let every type through', async t => {
  const both = ['application/json', 'text/event-stream']
  for (const value of ['application/json, text/event-stream', 'text/event-stream,application/json;q=0.5', '*/*', 'application/*, text/*', 'text/html, */*;q=0.1', 'APPLICATION/JSON, Text/Event-Stream']) t.ok(accepts(value, both), String(value))
  for (const value of [undefined, '', 'application/json', 'text/event-stream', 'text/*', 'application/json, text/event-stream;q=0', 'application/jsonx, text/event-streams']) t.notOk(accepts(value, both), String(value))
})

t.test('remembers answers, and not without bound', async t => {
  const check = accepting(['text/event-stream'])
  for (let i = 0; i < 1000; i++) t.notOk(check(`x/${i}`))
  t.ok(check('text/event-stream'))
  t.ok(check('text/event-stream'))
  t.notOk(check(undefined))
})
