/** An SSE comment; it keeps proxies from closing a silent stream. */
export const KEEP_ALIVE = ': keepalive\n\n'

/** One JSON-RPC message as an SSE event. JSON has no raw line breaks, so it is one data line. */
export function eventFrame (json: string, id?: string): string {
  return id === undefined
    ? `event: message\ndata: ${json}\n\n`
    : `event: message\nid: ${id}\ndata: ${json}\n\n`
}

/**
 * The first event of a resumable stream: an id to resume from, how many
 * milliseconds to wait before that, and no data (spec 2025-11-25, Streamable
 * HTTP, Sending Messages to the Server). An intermediary tells by it that the
 * answer to a POST can be resumed: its first frame begins with an id line, and
 * that of no other answer does.
 */
export function primingFrame (id: string, retry: number | undefined): string {
  return retry === undefined
    ? `id: ${id}\ndata: \n\n`
    : `id: ${id}\nretry: ${retry}\ndata: \n\n`
}

/** How many milliseconds a client should wait before it comes back, without an event. */
export function retryFrame (retry: number): string {
  return `retry: ${retry}\n\n`
}
