import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { EventKind } from './kinds.ts'

type Subscriber = Parameters<Channel['subscribe']>[0]

/** All kinds: the compiler asks for each. */
const KINDS: Record<EventKind, true> = {
  'session.opened': true,
  'session.ended': true,
  'session.adopted': true,
  'session.adoption_failed': true,
  'session.handed_over': true,
  'request.done': true,
  'request.refused': true,
  'request.held': true,
  'forward.done': true,
  'directory.lost': true,
  'directory.regained': true,
  'node.draining': true,
  'node.drained': true
}

/** Subscribers that cannot throw, by those that can. */
const wrapped = new WeakMap<Subscriber, Subscriber>()
const safe = new WeakSet<Subscriber>()

/** Every kind of event. */
export const EVENT_KINDS = Object.keys(KINDS) as EventKind[]

/** From the first import on, since subscribers may come before the first event. */
const channels = new Map(EVENT_KINDS.map(kind => [kind, harmless(channel(`fastify-mcp-sticky:${kind}`))]))

/** The channel of a kind. A subscriber that throws ends no process: what it throws becomes a warning of the process. */
export function channelOf (kind: EventKind): Channel {
  return channels.get(kind)!
}

/**
 * Node makes an uncaught exception of what a subscriber throws, which ends the process, and every session with it.
 * A channel changes its prototype with its first subscriber, so the methods are looked up there at each call.
 */
function harmless (channel: Channel): Channel {
  const usual = (): Channel => Object.getPrototypeOf(channel)
  channel.subscribe = subscriber => usual().subscribe.call(channel, harmlessly(subscriber))
  channel.unsubscribe = subscriber => usual().unsubscribe.call(channel, wrapped.get(subscriber) ?? subscriber)
  return channel
}

function harmlessly (subscriber: Subscriber): Subscriber {
  // By the channel itself, while it changes its prototype.
  if (safe.has(subscriber)) return subscriber
  let wrapper = wrapped.get(subscriber)
  if (wrapper === undefined) {
    wrapper = (message, name) => {
      try {
        subscriber(message, name)
      } catch (error) {
        process.emitWarning(`a subscriber of ${String(name)} failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`, 'FastifyMcpStickyWarning')
      }
    }
    wrapped.set(subscriber, wrapper)
    safe.add(wrapper)
  }
  return wrapper
}
