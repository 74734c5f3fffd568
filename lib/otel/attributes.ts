import type { Attributes } from '@opentelemetry/api'
import { askedFor, nameIn, OTHER } from '../events/asked-for.ts'

/** Characters of what clients and servers may write as they like. */
const ID = 64
const TEXT = 256

/** What spans are told of a message of JSON-RPC. */
export interface Asked {
  method: string
  tool: string | undefined
  prompt: string | undefined
  id: string | undefined
}

/** What a message asks for: no argument, no uri. */
export function askedOf (message: object | undefined): Asked {
  const { method = OTHER, tool } = askedFor(message)
  const { id, params } = (message ?? {}) as { id?: unknown, params?: { name?: unknown } | null }
  return {
    method,
    tool,
    prompt: method === 'prompts/get' ? nameIn(params) : undefined,
    id: id === undefined || id === null ? undefined : short(String(id), ID)
  }
}

/** Text that somebody else has written. */
export function short (text: string, most = TEXT): string {
  return text.slice(0, most)
}

/** Of a url of a node. */
export function serverOf (url: string): Attributes {
  const { hostname, port, protocol } = new URL(url)
  return { 'server.address': hostname.replace(/^\[|\]$/g, ''), 'server.port': Number(port) || (protocol === 'https:' ? 443 : 80) }
}
