// Public lists that are said again, and what ends them.
import t from 'tap'
import { z } from 'zod'
import { startApp } from '../fixtures/app.ts'
import { open } from '../fixtures/http.ts'
import { ask, statelessServer } from '../fixtures/stateless.ts'

const publicly = { 'tools/list': { ttlMs: 60_000, cacheScope: 'public' } }
const names = async (url: string): Promise<string[]> => (await ask(url, 'tools/list')).body.result.tools.map(({ name }: { name: string }) => name)

t.test('a public list is said again without its server', async t => {
  let made = 0
  const { url } = await startApp(t, { stateless: { createServer: () => { made++; return statelessServer(undefined, publicly) } } })
  const first = await ask(url, 'tools/list', {}, { id: 'a' })
  const again = await ask(url, 'tools/list', {}, { id: 'b' })
  t.equal(made, 1)
  t.match([first.body.id, again.body.id], ['a', 'b'])
  t.strictSame({ ...again.body.result, ttlMs: 0 }, { ...first.body.result, ttlMs: 0 })
  t.ok(again.body.result.ttlMs <= first.body.result.ttlMs)
  await ask(url, 'tools/list', { cursor: 'x' })
  t.equal(made, 2, 'another page is another list')
  await ask(url, 'tools/list', {}, { headers: { 'mcp-method': 'x' } })
  t.equal((await ask(url, 'tools/list', {}, { headers: { 'mcp-method': 'x' } })).status, 400, 'what is wrong is refused first')
})

t.test('what is served is counted, said again or not, and what is refused before is not', async t => {
  const { url, app } = await startApp(t, { stateless: { createServer: () => statelessServer(undefined, publicly) } })
  for (const method of ['tools/list', 'tools/list', 'subscriptions/listen', 'nonsense']) await ask(url, method)
  await ask(url, 'tools/list', {}, { headers: { 'mcp-method': 'x' } })
  await open(url)
  t.match(app.mcpSessions.counters, { stateless: 4, opened: 1, refused: { header_mismatch: 1, method_unknown: 1 } })
})

t.test('a private one is not', async t => {
  let made = 0
  const { url } = await startApp(t, { stateless: { createServer: () => { made++; return statelessServer() } } })
  for (let i = 0; i < 2; i++) await ask(url, 'tools/list')
  t.equal(made, 2)
})

t.test('a tool that comes ends what was said', async t => {
  const server = statelessServer(undefined, publicly)
  const { url } = await startApp(t, { stateless: { servers: 'shared', createServer: () => server } })
  const before = await names(url)
  server.registerTool('later', { inputSchema: z.object({}) }, async () => ({ content: [] }))
  t.strictSame(await names(url), [...before, 'later'])
})
