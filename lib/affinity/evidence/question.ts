import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { wait } from '../../http/patience.ts'

/** What a question to an address met. */
export type Heard =
  | { heard: 'answer', status: number, headers: IncomingHttpHeaders, body: string }
  /** Nobody is there: refused, or no route. */
  | { heard: 'nobody', error: Error }
  /** No answer to the opening of the connection in time. */
  | { heard: 'unopened', error: Error }
  /** The question was written, and nothing came back in time. */
  | { heard: 'silence', error: Error }
  /** Somebody is there who does not speak our language: an error of TLS or HTTP. */
  | { heard: 'noise', error: Error }
  /** Somebody was there, and hung up without a word. */
  | { heard: 'hung up', error: Error }
  /** No such name. */
  | { heard: 'no name', error: Error }
  /** No name server could say. */
  | { heard: 'unresolved', error: Error }
  /** This process could not ask: it proves nothing. */
  | { heard: 'nothing', error: Error }

const NOBODY = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN'])
const UNRESOLVED = new Set(['EAI_AGAIN', 'EAI_FAIL', 'ESERVFAIL', 'ETIMEOUT'])
const HUNG_UP = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])
const OURS = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EAGAIN', 'EACCES', 'EPERM', 'ENETDOWN', 'EAI_MEMORY', 'EAI_SYSTEM'])
/** Milliseconds for a connection. */
const OPENING = 2500
/** Bytes of an answer: ours are short. */
const MOST = 64 * 1024

/**
 * One GET over a connection of its own: nothing waits in a pool, and an old
 * connection that goes nowhere says nothing. `bound` milliseconds for the
 * answer once the question is written, `opening` for the name and the connection
 * each: a system sends the opening of one three times in 2.5 s, should packets
 * get lost. Time in which this process stalled does not count. Never rejects.
 */
export function ask (url: URL, headers: Record<string, string>, bound: number, opening = Math.max(bound, OPENING)): Promise<Heard> {
  return new Promise(resolve => {
    let stop = (): void => {}
    let connected = false
    let settled = false
    const done = (heard: Heard): void => {
      if (settled) return
      settled = true
      stop()
      resolve(heard)
      sent.destroy()
    }
    const within = (heard: 'unopened' | 'silence' | 'unresolved', what: string, milliseconds: number): void => {
      stop()
      stop = wait(milliseconds, attentive => {
        done(attentive
          ? { heard, error: new Error(`${what} within ${milliseconds} ms`) }
          : { heard: 'nothing', error: new Error('this process was too busy to listen') })
      })
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    // The name in the url, not the first address: its certificate is compared with it.
    const sent = send(url, { headers, agent: false, autoSelectFamilyAttemptTimeout: Math.ceil(opening / 4) } as object)
    const address = isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0
    if (address) within('unopened', 'no connection', opening)
    else within('unresolved', 'the name was not resolved', opening)
    sent.on('socket', socket => {
      socket.once('lookup', error => { if (error === null) within('unopened', 'no connection', opening) })
      socket.once('connect', () => {
        connected = true
        if (url.protocol === 'https:') within('silence', 'no TLS', bound)
      })
    })
    sent.on('finish', () => within('silence', 'no answer', bound))
    sent.on('error', (error: NodeJS.ErrnoException) => done(judge(error, connected, sent.socket?.bytesRead ?? 0)))
    sent.on('upgrade', () => done({ heard: 'noise', error: new Error('the answer was an upgrade') }))
    sent.on('response', answer => {
      const { statusCode: status = 0, headers } = answer
      const chunks: Buffer[] = []
      let size = 0
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MOST) done({ heard: 'noise', error: new Error('the answer was too long') })
        else chunks.push(chunk)
      })
      answer.on('end', () => done({ heard: 'answer', status, headers, body: Buffer.concat(chunks).toString('utf8') }))
      answer.on('error', error => done({ heard: 'noise', error }))
    })
    sent.end()
  })
}

function judge (error: NodeJS.ErrnoException, connected: boolean, read: number): Heard {
  const codes = error instanceof AggregateError ? error.errors.map(({ code }) => String(code)) : [String(error.code)]
  if (codes.some(code => OURS.has(code))) return { heard: 'nothing', error }
  if (codes.some(code => UNRESOLVED.has(code))) return { heard: 'unresolved', error }
  if (codes.includes('ENOTFOUND')) return { heard: 'no name', error }
  if (!connected && codes.every(code => NOBODY.has(code))) return { heard: 'nobody', error }
  if (!connected && codes.includes('ETIMEDOUT')) return { heard: 'unopened', error }
  return { heard: read === 0 && codes.some(code => HUNG_UP.has(code)) ? 'hung up' : 'noise', error }
}
