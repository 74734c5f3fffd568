import { lazyRequest } from './web-request.ts'

/** What the transport keeps of an HTTP request; a FastifyRequest fits. */
export interface HttpRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Record<string, string | string[] | undefined>
  readonly protocol: string
  readonly host: string
}

/** The whole url of a request. Host is what the client wrote, so it may not be one; the target may be a whole url (RFC 9112, section 3.2.2). */
export function urlOf (request: HttpRequest): URL {
  if (!request.url.startsWith('/') && URL.canParse(request.url)) return withoutUser(new URL(request.url))
  const url = `${request.protocol}://${request.host}${request.url}`
  return withoutUser(new URL(URL.canParse(url) ? url : `${request.protocol}://localhost${request.url}`))
}

/** A web Request refuses urls with a user in them. */
function withoutUser (url: URL): URL {
  url.username = ''
  url.password = ''
  return url
}

/** The SDK 1.x view of the HTTP request. The url is parsed when somebody looks. */
export class RequestInfo {
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
