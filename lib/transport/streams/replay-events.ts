import type { EventStream } from '../../http/exchange.ts'
import { eventFrame, isEventId } from '../../http/frames.ts'
import type { EventStore } from '../mcp-server.ts'

/** Ends a replay that nobody reads any more. */
class NotWanted extends Error {}

/**
 * Writes a stream's stored events after the given one, at the pace of the
 * client. The stream is opened for the first of them and not before: headers
 * that are sent cannot say that the store has let go of it. The event that
 * primed the stream was kept as an empty object, and is not written again.
 *
 * Returns the stream if it was opened, and what the store failed with. It stops
 * when the client leaves or the replay is no longer `wanted`; that is no failure.
 */
export async function replayInto (open: () => EventStream, lastEventId: string, events: EventStore, wanted: () => boolean): Promise<{ out: EventStream | undefined, error?: unknown }> {
  let out: EventStream | undefined
  try {
    await events.replayEventsAfter(lastEventId, {
      async send (id, message) {
        if (!wanted() || out?.open === false) throw new NotWanted()
        if (message.jsonrpc === undefined) return
        out ??= open()
        if (!isEventId(id)) throw new TypeError('the event store replayed an id that no header field can carry')
        if (out.open && !out.write(eventFrame(JSON.stringify(message), id))) await out.drained()
      }
    })
    return { out }
  } catch (error) {
    return error instanceof NotWanted ? { out } : { out, error: error ?? new Error('the store failed without an error') }
  }
}
