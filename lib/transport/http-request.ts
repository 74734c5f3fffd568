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
  const { host } = request
  const url = `${request.protocol}://${/^[^/?#\\\s]+$/.test(host) ? host : 'localhost'}${request.url}`
  return withoutUser(new URL(URL.canParse(url) ? url : `${request.protocol}://localhost${request.url}`))
}

/** A web Request refuses urls with a user in them. */
function withoutUser (url: URL): URL {
  url.username = ''
  url.password = ''
  return url
}
