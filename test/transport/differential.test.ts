// The same requests to the SDK's own transport and to ours. Whatever differs is
// explained by exactly one row of the table below, or the test fails; so it
// does when a row explains nothing any more.
import t from 'tap'
import { startApp } from '../fixtures/app.ts'
import { Endpoint } from '../fixtures/differential/exchange.ts'
import { generatedRequests, opens } from '../fixtures/differential/generated-requests.ts'
import type { GeneratedRequest } from '../fixtures/differential/generated-requests.ts'
import { startSdk } from '../fixtures/differential/sdk-server.ts'

const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 20251125)
const COUNT = 700
const AT_ONCE = 4

interface Difference {
  name: string
  matches: (request: GeneratedRequest) => boolean
  /** What the SDK answers, as Outcome.summary. */
  sdk: RegExp
  ours: RegExp
  why: string
}

const of = (...kinds: string[]) => ({ kind }: GeneratedRequest): boolean => kinds.includes(kind)
const isBatch = ({ body }: GeneratedRequest): boolean => String(body).startsWith('[')
const hasBatches = ({ version }: GeneratedRequest): boolean => version === '2025-03-26'

const DIFFERENCES: Difference[] = [
  {
    name: 'media ranges and upper case in Accept',
    matches: ({ accept }) => ['*/*', 'application/*, text/*', 'APPLICATION/JSON, Text/Event-Stream'].includes(accept!),
    sdk: /^406 json -32000$/,
    ours: /./,
    why: 'a range such as */* takes in both types, and media types have no case (RFC 9110, 12.5.1); the SDK looks for the two names in the text'
  },
  {
    name: 'types in Accept that only begin like ours, or have weight 0',
    matches: ({ accept }) => ['application/jsonx, text/event-streamx', 'application/json;q=0, text/event-stream'].includes(accept!),
    sdk: /./,
    ours: /^406 json -32000$/,
    why: 'the client said that it does not take one of the types; the SDK finds the name in the text all the same'
  },
  {
    name: 'Content-Type that is no media type',
    matches: ({ contentType }) => contentType === '' || contentType === 'application/json, text/plain',
    sdk: /^415 json undefined$/,
    ours: /^415 json -32000$/,
    why: 'Fastify refuses it before the SDK sees it, in a format of its own; ours makes a JSON-RPC error of that'
  },
  {
    name: 'Mcp-Session-Id that cannot be one',
    matches: ({ session }) => ['malformed', 'twice'].includes(session),
    sdk: /^(404 json -32001|200 (json|sse) result|400 json -32000|400 json -32600)$/,
    ours: /^400 json -32000$/,
    why: 'it is refused before anything is looked up, so that it costs no Redis read; the SDK compares it like any other, or not at all in initialize'
  },
  {
    name: 'JSON that is no JSON-RPC message',
    matches: request => request.method === 'POST',
    sdk: /^400 json -32700$/,
    ours: /^400 json -32600$/,
    why: '-32700 is for what cannot be parsed; a message that breaks a rule is an invalid request (JSON-RPC 2.0, 5.1), and the error names the field'
  },
  {
    name: 'empty batch',
    matches: of('empty batch'),
    sdk: /^(202 none|400 json -32000|404 json -32001)$/,
    ours: /^400 json -32600$/,
    why: 'JSON-RPC 2.0, 6: an empty array is an invalid request; the SDK accepts it as a batch without requests'
  },
  {
    name: 'batches outside 2025-03-26',
    matches: request => isBatch(request) && !hasBatches(request) && !opens(request) && !of('empty batch')(request),
    sdk: /^(200|202) /,
    ours: /^400 json -32600$/,
    why: '2025-06-18 took batches out of the protocol; the SDK goes on to serve them'
  },
  {
    name: 'an id twice in a batch',
    matches: request => of('batch with an id twice')(request) && hasBatches(request),
    sdk: /^200 (json|sse) result$/,
    ours: /^400 json -32600$/,
    why: 'ids must be unique within a session (spec, Overview, Requests); the SDK answers one of the two'
  },
  {
    name: 'a batch that has one response',
    matches: request => of('batch of one', 'batch with notification')(request) && hasBatches(request),
    sdk: /^200 json result$/,
    ours: /^200 json \[result\]$/,
    why: 'a batch is answered by an array (JSON-RPC 2.0, 6); the SDK unwraps an array of one'
  },
  {
    name: 'initialize in a batch of one',
    matches: of('initialize in a batch of one'),
    sdk: /^200 (json|sse) result$/,
    ours: /^400 json -32600$/,
    why: 'initialize must not be part of a batch (spec 2025-03-26, Lifecycle); the SDK refuses only batches of more than one'
  },
  {
    name: 'initialize with wrong parameters, to open a session',
    matches: opens,
    sdk: /^400 json -32000$/,
    ours: /^400 json -32602$/,
    why: 'invalid params, and the error names the field; to the SDK it is no initialize at all, so that it says the server is not initialized'
  },
  {
    name: 'initialize with wrong parameters, in an open session',
    matches: request => opens(request) && request.session === 'own',
    sdk: /^(200 (json|sse) -32603|400 json -32000)$/,
    ours: /^400 json -32600$/,
    why: 'the session is initialized already, whatever the parameters; to the SDK it is no initialize, so that its version header is checked and it reaches the server'
  },
  {
    name: 'JSON that poisons prototypes',
    matches: of('__proto__ in params', 'constructor.prototype'),
    sdk: /^(200 (json|sse) result|404 json -32001|400 json -32000)$/,
    ours: /^400 json -32700$/,
    why: 'bodies are read by the application\'s rules (onProtoPoisoning, onConstructorPoisoning), which refuse it unless told otherwise'
  }
]

const explained = new Map(DIFFERENCES.map(({ name }) => [name, 0]))

for (const responseMode of ['json', 'sse'] as const) {
  t.test(`answers in ${responseMode} mode`, async t => {
    t.comment(`seed ${SEED}; set DIFFERENTIAL_SEED for another`)
    const sdkUrl = await startSdk(t, responseMode === 'json')
    const { url: ourUrl } = await startApp(t, { responseMode })
    const queue = generatedRequests(SEED, COUNT)
    let requests = 0
    let same = 0
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      const sdk = new Endpoint(sdkUrl)
      const ours = new Endpoint(ourUrl)
      for (const request of queue) {
        requests++
        const [theirs, mine] = await Promise.all([sdk.exchange(request), ours.exchange(request)])
        if (theirs.summary === mine.summary) {
          t.same(mine.messages, theirs.messages, `the same answer to ${describe(request)}`)
          same++
          continue
        }
        const rows = DIFFERENCES.filter(row => row.matches(request) && row.sdk.test(theirs.summary) && row.ours.test(mine.summary)).map(row => row.name)
        t.equal(rows.length, 1, `one row explains ${describe(request)}`, { sdk: theirs.summary, ours: mine.summary, rows })
        for (const row of rows) explained.set(row, explained.get(row)! + 1)
      }
    }))
    t.ok(requests >= COUNT)
    t.comment(`${same} of ${requests} requests were answered alike`)
  })
}

t.test('every row explains something', async t => {
  for (const [name, count] of explained) t.ok(count > 0, `${name}: ${count}`)
})

function describe ({ body, ...request }: GeneratedRequest): string {
  return `${JSON.stringify(request)} ${String(body).slice(0, 300)}`
}
