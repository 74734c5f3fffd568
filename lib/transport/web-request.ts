import { urlOf } from './http-request.ts'
import type { HttpRequest } from './http-request.ts'

const HTTP = Symbol('http')
const REAL = Symbol('real')

interface Lazy { [HTTP]: HttpRequest, [REAL]?: Request }

/** The real Request behind a lazy one, without the body: the transport has read it. */
function real (lazy: Lazy): Request {
  lazy[REAL] ??= new Request(urlOf(lazy[HTTP]), { method: lazy[HTTP].method, headers: headersOf(lazy[HTTP]) })
  return lazy[REAL]
}

function headersOf (http: HttpRequest): Headers {
  const headers = new Headers()
  for (const name in http.headers) {
    const value = http.headers[name]
    // HTTP/2 pseudo headers (`:path`) are not header names to the fetch standard.
    if (value === undefined || name.startsWith(':')) continue
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one)
  }
  return headers
}

/**
 * The prototype of lazy requests: an instance of Request whose every member
 * looks at the real one. SDK 2.x reads `request` for every message, few
 * handlers ever look inside, and a real Request costs more than the call.
 */
const prototype: object = Object.create(Request.prototype)

for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))) {
  if (name === 'constructor') continue
  if (member.get !== undefined) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      get (this: Lazy) { return Reflect.get(Request.prototype, name, real(this)) }
    })
  } else if (typeof member.value === 'function') {
    Object.defineProperty(prototype, name, {
      configurable: true,
      value (this: Lazy, ...args: unknown[]) { return Reflect.apply(member.value, real(this), args) }
    })
  }
}

/** A Request that is built when a member of it is used. */
export function lazyRequest (http: HttpRequest): Request {
  const lazy = Object.create(prototype)
  lazy[HTTP] = http
  return lazy
}
