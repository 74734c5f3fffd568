import { connect } from 'node:net'
import querystring from 'node:querystring'
import { durationOf, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { closeConnection, connectTo, NoConnection } from '../connection.ts'
import { examine, wordsOf } from '../doctor/check.ts'
import type { Finding } from '../doctor/check.ts'
import { NODES, OUTSIDE, REDIS } from '../doctor/checks.ts'
import { Endpoint } from '../doctor/endpoint.ts'
import { Inside } from '../doctor/inside.ts'
import { asJson, asText, without } from '../doctor/report.ts'
import type { StandaloneVerb } from '../verb.ts'

/** Milliseconds that --long keeps a stream open: usual timeouts are 60 s. */
const LONG = 75_000
const PATIENCE = '20s'
/** What may be in the name and in the value of a header field (RFC 9110, section 5). */
const FIELD = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x20-\x7e\x80-\xff]+?)[ \t]*$/

export const doctor: StandaloneVerb = {
  help: `fastify-mcp-sticky doctor [URL] [options]

Looks whether all is well. With URL, https://mcp.example.com/mcp, from outside,
as a client: it calls no tool, and deletes the sessions that it opens. With
--redis (or --redis-file, or MCP_STICKY_REDIS) from inside: Redis, and what the
nodes see of each other; without, Redis is not asked. Of what is not well it
says why that matters and what to set. A run takes up to half a minute.

  --header 'NAME: VALUE'  sent with each request, a token for example; may be repeated. It is not printed
  --origin ORIGIN         looks at CORS for pages of https://app.example.com
  --long                  keeps a stream open for ${LONG / 1000} s, longer than proxies leave it by themselves
  --patience DURATION     waits so long for a sign of life on a stream (${PATIENCE}): longer than stream.keepAlive of the nodes
`,
  options: { header: { type: 'string', multiple: true }, origin: { type: 'string' }, long: { type: 'boolean' }, patience: { type: 'string' } },
  names: ['[URL]'],
  async start (read, { out }) {
    const { names: [url], redisGiven, json } = read
    if (url === undefined && !redisGiven) throw new UsageError('there is nothing to look at: give a URL, --redis, or both')
    const { endpoint, secrets } = url === undefined ? { endpoint: undefined, secrets: [] } : outside(url, read)
    const connection = redisGiven ? await connectTo(read) : undefined
    const found: Finding[] = []
    try {
      if (endpoint !== undefined) {
        await reach(endpoint)
        found.push(...await examine(OUTSIDE, endpoint))
      }
      if (connection !== undefined) {
        const inside = new Inside({ ...connection, keyPrefix: read.keyPrefix, endpoint })
        found.push(...await examine(REDIS, inside), ...await examine(NODES, inside))
      }
    } finally {
      await endpoint?.tidy()
      if (connection !== undefined) closeConnection(connection)
    }
    const findings = without([...secrets, ...passwords(read)], found)
    out(json ? asJson(findings) : asText(findings))
    return findings.every(({ verdict }) => verdict !== 'failed')
  }
}

function outside (text: string, { values }: Arguments): { endpoint: Endpoint, secrets: string[] } {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new UsageError('URL must be the endpoint as clients have it, as in https://mcp.example.com/mcp')
  if (url.username !== '' || url.password !== '') throw new UsageError('URL must be without user and password; give them with --header \'authorization: Basic …\'')
  const { header = [], origin, long, patience = PATIENCE } = values as unknown as { header?: string[], origin?: string, long?: boolean, patience?: string }
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).origin !== origin)) throw new UsageError('--origin: must be an origin, as in https://app.example.com')
  const headers = Object.fromEntries(header.map(field => {
    const [, name, value] = FIELD.exec(field) ?? []
    // Without what was given: it may be a token.
    if (name === undefined) throw new UsageError('--header: must be \'name: value\'')
    return [name.toLowerCase(), value!]
  }))
  const endpoint = new Endpoint({ url, headers, patience: durationOf('patience', patience), long: long === true ? LONG : undefined, origin })
  return { endpoint, secrets: Object.values(headers).flatMap(value => [value, ...value.split(/[ ;,=]+/)].filter(part => part.length > 7)) }
}

/** @throws NoConnection where nobody answers: nothing else would say more */
async function reach ({ url }: Endpoint): Promise<void> {
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(10_000, () => reject(new Error('no connection within 10 s')))
      socket.on('connect', resolve).on('error', reject)
    })
  } catch (error) {
    throw new NoConnection(`${url.host} cannot be reached: ${wordsOf(error)}`)
  } finally {
    socket.destroy()
  }
}

function passwords ({ redis }: Arguments): string[] {
  return redis.flatMap(url => {
    const { password } = new URL(url)
    return [password, querystring.unescape(password)]
  })
}
