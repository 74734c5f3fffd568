/** Milliseconds between two beats of a node, by which it says that it lives: the option `node.heartbeat`, the same on all nodes. */
export const HEARTBEAT = { least: 50, most: 60_000, usual: 2000 }

/** How long things last, in beats. Some must outlast others: see the rules below. */
export const BEATS = {
  /** For how long a node serves its sessions without asking, from before it sent the last beat that was acknowledged. */
  lease: 2,
  /** For how long a node's place holds in Redis, from when the last beat arrived there; then the node counts as gone. */
  place: 3,
  /** For how long no absence is evidence after Redis may have lost what it knew, or has refused writes. */
  doubt: 3,
  /** For how long a request is held whose owner cannot be reached. */
  patience: 3,
  /** For how long a close is told again to the nodes that may hold its session: they look into their close sets as they beat. */
  told: 4,
  /** For how long a node that starts waits to see whether the holder of its id or url beats. */
  rival: 1.5,
  /** For how long an owner that is to answer may give no sign; then it is asked over new connections. */
  silence: 2,
  /** For how long the way to a silent owner stays shut after a request last wanted to go there. */
  shut: 15,
  /** After how long a node reads all that is known of the nodes though it has heard of no change: a beat brings changes alone. */
  all: 30,
  /** In how many beats running a node's index must lack sessions before it is completed: a session is in this process a moment before it is in its index. */
  short: 2
}

type Beats = typeof BEATS

/** What must outlast what, and why. */
const RULES: Array<{ rule: string, holds: (beats: Beats) => boolean }> = [
  { rule: 'lease > 1: a node in good health renews its lease before it lapses', holds: ({ lease }) => lease > 1 },
  { rule: 'lease < place: whoever finds a place over may adopt, and its node must not serve unasked then', holds: ({ lease, place }) => lease < place },
  { rule: 'doubt >= place: a node whose place was lost is believed alive for as long as with it', holds: ({ doubt, place }) => doubt >= place },
  { rule: 'patience >= place: who waits for an owner that has just died learns that it is gone', holds: ({ patience, place }) => patience >= place },
  { rule: 'told > place: by then a node has beaten since it was told, or is gone', holds: ({ told, place }) => told > place },
  { rule: 'rival > 1: a live node beats meanwhile', holds: ({ rival }) => rival > 1 },
  { rule: 'shut > patience: a request that is held wants the way that often at least, and must find it shut', holds: ({ shut, patience }) => shut > patience },
  { rule: 'short > 1: one beat may come between a session and its place in the index', holds: ({ short }) => short > 1 }
]

/** @throws Error with the rule that the numbers break. */
export function assertBeats (beats: Beats = BEATS): void {
  for (const { rule, holds } of RULES) if (!holds(beats)) throw new Error(`beats.ts: ${rule}`)
}

/** For how long what was read for one is good for others too, in milliseconds: a storm of orphans asks for the same a thousand times. */
export function youngFor (heartbeat: number): number {
  return Math.min(250, heartbeat / 4)
}

/** After how many beats to read all the next time: `BEATS.all` on average, and not all nodes at once. */
export function beatsToAll (): number {
  return Math.round(BEATS.all * (0.75 + Math.random() / 2))
}
