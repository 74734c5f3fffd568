/** Names of SSE streams: ours have up to 128 characters. */
const STREAM = /^[\x21-\x7e]{1,200}$/
const EVENT = /^([\x21-\x7e]{1,200})\/((?:0|[1-9]\d{0,15})-(?:0|[1-9]\d{0,15}))$/
/** What begins the names of a session's streams (see transport/streams/stream-names.ts): its id, with ~ for _. */
const OURS = /^([0-9a-f]{16}\.[A-Za-z0-9~-]{22}):/

/** Where an event is: the SSE stream's name and the id of the entry in Redis. */
export interface EventPlace { stream: string, entry: string }

/** What an event is called on the wire: enough to find it, on any node. */
export function eventId ({ stream, entry }: EventPlace): string {
  return `${stream}/${entry}`
}

/** Undefined for what no event of ours is called: a client may send anything. */
export function placeOf (id: string): EventPlace | undefined {
  const [, stream, entry] = EVENT.exec(id) ?? []
  return stream === undefined || entry === undefined ? undefined : { stream, entry }
}

/** What the key of a stream's events is made of: the session's id, or the name of a stream that is none of our sessions'. */
export function scopeOf (stream: string): string {
  return OURS.exec(stream)?.[1]!.replaceAll('~', '_') ?? stream
}

/** @throws TypeError for a name that event ids cannot carry. */
export function checkStream (stream: string): void {
  if (!STREAM.test(stream)) throw new TypeError('the name of a stream must be 1 to 200 characters of visible ASCII')
}
