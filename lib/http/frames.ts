/** An SSE comment; it keeps proxies from closing a silent stream. */
export const KEEP_ALIVE = ': keepalive\n\n'

/** What JSON leaves as it is and many clients cut lines at, as Java's MULTILINE and Python's splitlines do. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g

/** One JSON-RPC message as an SSE event. JSON has no other raw line breaks, so it is one data line, however a client cuts it. */
export function eventFrame (json: string, id?: string): string {
  // Most texts hold none of them, and are looked through for them much faster than by an expression.
  const data = json.includes('\u0085') || json.includes('\u2028') || json.includes('\u2029') ? json.replace(LINE_ENDS, escaped) : json
  return id === undefined
    ? `event: message\ndata: ${data}\n\n`
    : `event: message\nid: ${id}\ndata: ${data}\n\n`
}

function escaped (character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Whether an id, which an event store of the application's may have made, can go into a frame and come back in a header field. */
export function isEventId (id: string): boolean {
  return /^[\x20-\x7e\xa0-\xff]+$/.test(id)
}

/**
 * The first event of a resumable stream: an id to resume from, and no data
 * (spec 2025-11-25, Streamable HTTP, Sending Messages to the Server). An
 * intermediary tells by it that the answer to a POST can be resumed: its first
 * frame begins with an id line, and that of no other answer does.
 */
export function primingFrame (id: string): string {
  return `id: ${id}\ndata: \n\n`
}

/**
 * How many milliseconds a client should wait before it comes back, without an
 * event. Sent before the server ends a connection whose stream goes on, and
 * nowhere else (same section): some clients know no such line.
 */
export function retryFrame (retry: number): string {
  return `retry: ${retry}\n\n`
}
