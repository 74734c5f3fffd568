import { OptionError } from './errors.ts'

/**
 * What every option is checked with, wherever it is given: the plugin, the
 * event store, the document for Traefik.
 */

/** That an object has no options but these; `parent`: the option that it is, '' for the options themselves. */
export function known (parent: string, value: object, names: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new OptionError(parent === '' ? 'options' : parent, 'must be an object')
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new OptionError(parent === '' ? name : `${parent}.${name}`, `is not known; the options here are ${names.join(', ')}`)
  }
}

/** Yes or no. */
export function flag (name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw new OptionError(name, 'must be true or false')
  return value ?? fallback
}

/** Whole milliseconds: Redis takes no parts of them. Infinity where `most` is. */
export function duration (name: string, value: number | undefined, fallback: number, { least = 1, most = 2 ** 31 - 1 } = {}): number {
  if (value === undefined) return fallback
  if (!(Number.isInteger(value) || value === Infinity) || value < least || value > most) {
    throw new OptionError(name, `must be a whole number of milliseconds from ${least} to ${most}`)
  }
  return value
}

/** How many at most; Infinity for no limit. */
export function count (name: string, value: number | undefined, fallback: number, of = ''): number {
  return value === Infinity ? value : whole(name, value, fallback, `${of} of at least 1, or Infinity`)
}

/** A whole number from 1 up to `most`. */
export function whole (name: string, value: number | undefined, fallback: number, of = ' of at least 1', most = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined) return fallback
  if (!Number.isSafeInteger(value) || value < 1 || value > most) throw new OptionError(name, `must be a whole number${of}`)
  return value
}

/** A path without parameters. */
export function plainPath (name: string, value: unknown): string {
  if (typeof value !== 'string' || !/^\/[^?#*:]*$/.test(value)) throw new OptionError(name, 'must be a plain path that starts with / (no parameters, no wildcard)')
  return value
}

export function redisPrefix (name: string, value: unknown): string {
  if (typeof value !== 'string' || /[{}]/.test(value)) throw new OptionError(name, 'must be a string without { and } (a hash tag would put every key on one master)')
  return value
}

/** A node's address: the tag of its ids is a hash of it, and Traefik's own, so only one way to write it is taken. */
export function nodeAddress (name: string, value: unknown): string {
  if (!isOrigin(value)) throw new OptionError(name, 'must be scheme, host and port alone, as in http://10.0.0.1:3000')
  return value
}

/** Scheme, host and port of HTTP, as a URL writes them. */
export function isOrigin (value: unknown): value is string {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { protocol, origin } = new URL(value)
  return /^https?:$/.test(protocol) && origin === value
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** A url that clients are told, of which tokens depend: https, but on this machine. */
export function secureUrl (name: string, value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  const secure = url !== undefined && (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
  if (!secure || /[#\s]/.test(value as string) || url.username !== '' || url.password !== '') {
    throw new OptionError(name, 'must be an absolute https url without user and fragment (http is for localhost alone), as in https://mcp.example.com/mcp')
  }
  return value as string
}
