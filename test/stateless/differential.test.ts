// The same requests to the SDK's own entry point, createMcpHandler, and to ours,
// with a server for each request and with one for all. Status and JSON-RPC code
// must be alike. Whatever differs is explained by exactly one row of the table
// below, or the test fails; so it does when a row explains nothing any more.
// SOAK=full sends 20,000 requests: then without tap's time limit.
import { isLegacyRequest } from '@modelcontextprotocol/server'
import t from 'tap'
import { request as httpRequest } from 'undici'
import { eraOf } from '../../lib/stateless/envelope.ts'
import { single } from '../../lib/stateless/header-value.ts'
import { tooDeep } from '../../lib/transport/nesting.ts'
import { startApp } from '../fixtures/app.ts'
import { statelessRequests } from '../fixtures/differential/stateless-requests.ts'
import type { StatelessRequest } from '../fixtures/differential/stateless-requests.ts'
import { createServer, startHandler } from '../fixtures/differential/stateless-servers.ts'

const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 20260728)
const MANY = 20_000
const COUNT = process.env['SOAK'] === 'full' ? MANY : 3000
const AT_ONCE = 4
/** An answer that does not come is an outcome too. */
const LIMIT = 60_000

interface Difference {
  name: string
  matches: (request: StatelessRequest) => boolean
  /** What the SDK answers, as `outcome` has it; `sessions` is what it leaves to the other era. */
  sdk: RegExp
  ours: RegExp
  why: string
  /** Looked for in 20,000 requests only. */
  rare?: true
}

const has = (...names: string[]) => ({ changes }: StatelessRequest): boolean => names.some(name => changes.includes(name))

const DIFFERENCES: Difference[] = [
  {
    name: 'Accept that lacks one of the two types',
    matches: has('Accept'),
    sdk: /./,
    ours: /^406 -32000$/,
    why: 'a client must list both (Streamable HTTP, Sending Messages), and the same route has always refused others; the SDK does not look'
  },
  {
    name: 'Content-Type that is no media type',
    matches: has('Content-Type'),
    sdk: /^415 undefined$/,
    ours: /^415 -32000$/,
    why: 'Fastify refuses it before the SDK sees it, in a format of its own; ours makes a JSON-RPC error of that'
  },
  {
    name: 'nesting beyond 128 levels',
    matches: ({ body }) => tooDeep(parsed(body), body.length),
    sdk: /./,
    ours: /^400 -32600$/,
    why: 'no recursive code is to see it: with the SDK it depends on where it is whether it is served, refused, or ends in "Maximum call stack size exceeded" (-32603)'
  },
  {
    name: '_meta that is no object',
    matches: has('_meta'),
    sdk: /^400 -32600$/,
    ours: /^400 -32602$/,
    why: 'a malformed envelope is -32602 (Basic, Error Codes); to the SDK such a message is no message'
  },
  {
    name: 'a notification of an unknown version, with the Mcp-Method of another',
    rare: true,
    matches: ({ origin, body }) => /notification|cancellation/.test(origin) && parsed(body)?.id === undefined,
    sdk: /^400 -32022$/,
    ours: /^400 -32020$/,
    why: 'both refuse it, and say one of two reasons'
  },
  {
    name: 'a list of what to listen to that is none',
    rare: true,
    matches: ({ body }) => body.includes('subscriptions/listen'),
    sdk: /^200 -32602$/,
    ours: /^400 -32602$/,
    why: 'known before anything is sent, so that the status can say it'
  },
  {
    name: 'requestState that was not sealed here',
    matches: ({ body }) => parsed(body)?.params?.requestState !== undefined,
    sdk: /^(200 |400 -32021$)/,
    ours: /^400 -32602$/,
    why: 'a state must be what the server has returned (Multi Round-Trip Requests): ours are sealed, and others refused; the SDK leaves that to the handler'
  },
  {
    name: 'JSON that poisons prototypes',
    matches: ({ body }) => body.includes('__proto__'),
    sdk: /./,
    ours: /^400 -32700$/,
    why: 'bodies are read by the application\'s rules (onProtoPoisoning), which refuse it unless told otherwise'
  }
]

const explained = new Map(DIFFERENCES.map(({ name }) => [name, 0]))

t.setTimeout(COUNT * 60)

t.test('requests without sessions', async t => {
  t.comment(`seed ${SEED}; set DIFFERENTIAL_SEED for another`)
  const sdk = await startHandler(t)
  const urls = {
    each: (await startApp(t, { stateless: { createServer } })).url,
    shared: (await startApp(t, { stateless: { servers: 'shared', createServer } })).url
  }
  const queue = statelessRequests(SEED, COUNT)
  let requests = 0
  let same = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const request of queue) {
      requests++
      const [theirs, ...mine] = await Promise.all([sdkOutcome(sdk, request), outcome(urls.each, request), outcome(urls.shared, request)])
      for (const answer of new Set(mine)) {
        if (answer >= '5') t.fail(`a server's error to ${describe(request)}`, { answer })
        // What is the other era's is only asked whether it is; test/transport/differential.test.ts has the rest.
        const ours = theirs === 'sessions' && isOfSessions(request) ? 'sessions' : answer
        if (theirs === ours) {
          same++
          continue
        }
        const rows = DIFFERENCES.filter(row => row.matches(request) && row.sdk.test(theirs) && row.ours.test(ours)).map(row => row.name)
        if (rows.length !== 1) t.fail(`one row explains ${describe(request)}`, { sdk: theirs, ours, rows })
        for (const row of rows) explained.set(row, explained.get(row)! + 1)
      }
    }
  }))
  t.ok(requests >= COUNT)
  t.comment(`${requests} requests, ${same} outcomes alike, ${[...explained].map(([name, count]) => `${count}: ${name}`).join('; ')}`)
})

t.test('every row explains something', async t => {
  for (const { name, rare } of DIFFERENCES) {
    const count = explained.get(name)!
    t.ok(count > 0 || (rare && COUNT < MANY), `${name}: ${count}`)
  }
})

async function sdkOutcome (url: string, request: StatelessRequest): Promise<string> {
  const { 'content-length': _length, ...headers } = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]))
  try {
    if (await isLegacyRequest(new Request(url, { method: 'POST', headers, body: request.body }))) return 'sessions'
  } catch (error) {
    // Its classifier is recursive.
    if (!(error instanceof RangeError)) throw error
  }
  return await outcome(url, request)
}

/** Whether our route leaves a request to the sessions. What is no JSON is of no era. */
function isOfSessions ({ headers, body }: StatelessRequest): boolean {
  const json = parsed(body)
  return json === undefined || eraOf(json, single(headers['mcp-protocol-version'])) === 'sessions'
}

/** Status and JSON-RPC code of the answer; of the other era's answers only that they are. */
async function outcome (url: string, { headers, body }: StatelessRequest): Promise<string> {
  // Comments keep a stream alive that never has an answer, so its silence is no measure.
  const signal = AbortSignal.timeout(LIMIT)
  try {
    return await answered(url, { method: 'POST', headers, body, signal })
  } catch (error) {
    if (signal.aborted) return 'no answer'
    throw error
  }
}

async function answered (url: string, options: { method: 'POST', headers: StatelessRequest['headers'], body: string, signal: AbortSignal }): Promise<string> {
  const answer = await httpRequest(url, options)
  const { body } = options
  const type = String(answer.headers['content-type'])
  if (type.startsWith('text/event-stream') && body.includes('subscriptions/listen')) {
    answer.body.on('error', () => {}).destroy()
    return `${answer.statusCode} stream`
  }
  const text = await answer.body.text()
  const last = text === '' || text === 'null' ? undefined : JSON.parse(type.startsWith('text/event-stream') ? [...text.matchAll(/^data: (.+)$/gm)].at(-1)![1]! : text)
  const kind = last === undefined ? 'nothing' : last.error === undefined ? String(last.result?.resultType) : String(last.error.code)
  return `${answer.statusCode} ${kind}`
}

function parsed (body: string): any {
  try {
    return JSON.parse(body.replace(/^\ufeff/, ''))
  } catch {
    return undefined
  }
}

function describe ({ body, ...request }: StatelessRequest): string {
  return `${JSON.stringify(request).slice(0, 500)} ${body.slice(0, 500)}`
}
