import { urlOf } from './http-request.ts'
import type { HttpRequest } from './http-request.ts'
import { lazyRequest } from './web-request.ts'

/** The SDK 1.x view of the HTTP request. The url is parsed when somebody looks. */
class RequestInfo {
  readonly headers: Record<string, string | string[] | undefined>
  readonly #request: HttpRequest
  #url: URL | undefined

  constructor (request: HttpRequest) {
    this.headers = request.headers
    this.#request = request
  }

  get url (): URL {
    this.#url ??= urlOf(this.#request)
    return this.#url
  }
}

/**
 * What comes with a message to the SDK's handlers: 1.x reads `requestInfo`,
 * 2.x reads `request`, both read `authInfo` and the two functions. It is made
 * for every HTTP request, so everything that costs is made when it is read.
 */
export class MessageExtra {
  readonly authInfo: unknown
  readonly closeSSEStream: (() => void) | undefined
  readonly closeStandaloneSSEStream: (() => void) | undefined
  readonly #http: HttpRequest
  #requestInfo: RequestInfo | undefined
  #request: Request | undefined

  constructor (http: HttpRequest, authInfo: unknown, closeSSEStream?: () => void, closeStandaloneSSEStream?: () => void) {
    this.#http = http
    this.authInfo = authInfo
    this.closeSSEStream = closeSSEStream
    this.closeStandaloneSSEStream = closeStandaloneSSEStream
  }

  get requestInfo (): RequestInfo {
    this.#requestInfo ??= new RequestInfo(this.#http)
    return this.#requestInfo
  }

  get request (): Request {
    this.#request ??= lazyRequest(this.#http)
    return this.#request
  }

  /** The same for a call whose streams the handler may close, because they can be resumed. */
  resumable (closeSSEStream: (() => void) | undefined, closeStandaloneSSEStream: () => void): MessageExtra {
    return new MessageExtra(this.#http, this.authInfo, closeSSEStream, closeStandaloneSSEStream)
  }
}
