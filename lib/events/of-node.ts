import { channelOf } from './channels.ts'
import type { EventKind, OfNode, StickyEvent } from './kinds.ts'

/**
 * Hears the events of one kind of one node, by its id: channels are of the process, in which there may be other nodes.
 * Returns what ends it.
 */
export function onEventOf<Kind extends EventKind> (node: string, kind: Kind, listener: (event: StickyEvent<Kind>) => void): () => void {
  const channel = channelOf(kind)
  const ours = (message: unknown): void => {
    if ((message as OfNode).node === node) listener(message as StickyEvent<Kind>)
  }
  channel.subscribe(ours)
  return () => { channel.unsubscribe(ours) }
}
