import { sessionName } from '../session-id.ts'
import type { LocalNode } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { Remover } from '../directory/remover.ts'
import type { Removals } from './clearing/removals.ts'
import type { Sweeper } from './clearing/sweeper.ts'
import type { Failures } from './failures.ts'
import type { RecordKeeper } from './keeping/record-keeper.ts'
import type { Log } from './link/availability.ts'
import type { RedisTrails } from './keeping/trails.ts'
import type { Link } from './link/link.ts'
import type { Keys } from './keys.ts'
import { readWish } from './nodes/close-set.ts'
import type { CloseSet } from './nodes/close-set.ts'
import type { Doubt } from '../shared-directory/doubt.ts'
import { Heartbeat } from './nodes/heartbeat.ts'
import type { LiveEvents } from './nodes/live-events.ts'
import { writeLook } from './nodes/looks.ts'
import type { Loads } from './nodes/loads.ts'
import type { NodeRegistry } from './nodes/node-registry.ts'
import type { NodeState, Report } from './nodes/node-state.ts'
import type { OwnKeys } from './nodes/own-keys.ts'

interface UpkeepParts {
  link: Link
  keys: Keys
  node: NodeIdentity
  local: LocalNode
  registry: NodeRegistry
  closeSet: CloseSet
  keeper: RecordKeeper
  removals: Removals
  ownKeys: OwnKeys
  loads: Loads
  trails: Pick<RedisTrails, 'flush'>
  liveEvents: LiveEvents
  sweeper: Sweeper | undefined
  doubt: Doubt
  failures: Failures
  /** Looks after the secret that the nodes share. Never rejects. */
  secret: () => Promise<void>
  /** Milliseconds between two beats. */
  heartbeat: number
  log: Log
}

/** What a started directory does by itself: what its beats, its connections and what Redis may have lost lead to. */
export class Upkeep {
  readonly #parts: UpkeepParts
  readonly #heartbeat: Heartbeat
  /** The epoch that our records were last moved to. */
  #epoch: string
  #flushing = false

  constructor (parts: UpkeepParts) {
    const { node, registry, closeSet, failures, secret, heartbeat } = parts
    this.#parts = parts
    this.#epoch = node.epoch
    this.#heartbeat = new Heartbeat({
      registry,
      closeSet,
      secret,
      node,
      interval: heartbeat,
      report: () => this.#report(),
      beating: () => this.#beating(),
      onBeat: beat => this.#onBeat(beat),
      onTick: () => this.flushNow(),
      onFailed: err => failures.beatFailed(err),
      onAccepted: () => failures.beatTaken(),
      onSuperseded: (by, err) => this.#superseded(by, err)
    })
  }

  /**
   * Takes this node's identity and begins to beat.
   * @throws NodeDuplicateError
   */
  async start (): Promise<void> {
    await this.#heartbeat.start()
    // The others learn at once what room there is here.
    this.flushNow()
  }

  stop (): void {
    this.#heartbeat.stop()
    this.#parts.ownKeys.stop()
    this.#parts.liveEvents.stop()
  }

  /** Whether our lease runs; beats first if it does not. */
  async leased (): Promise<boolean> {
    const { local } = this.#parts
    if (!local.leased) await this.#heartbeat.hurry()
    return local.leased
  }

  /** Beats now. */
  hurry (): void {
    this.#heartbeat.hurry().catch(err => this.#parts.failures.failed(err))
  }

  /** Redis answers again, over the connections that there were. `outage`: in milliseconds. */
  answering (outage: number): void {
    const { doubt, heartbeat } = this.#parts
    // The others could not beat either.
    if (outage > heartbeat) doubt.raise()
    this.hurry()
  }

  /** There is a new connection. */
  reconnected (): void {
    const { doubt, failures } = this.#parts
    doubt.raise()
    this.recheck()
    this.#heartbeat.startOver().catch(err => failures.failed(err))
  }

  /** Whatever was written may be lost. */
  recheck (): void {
    const { keeper, removals } = this.#parts
    keeper.verifyAll()
    removals.again()
  }

  /** Somebody asked for the end of a session that is here. Whoever did may have died before the record was deleted, so we delete it as well. */
  endClosed (id: string, by?: Remover): void {
    const { local, keeper, log } = this.#parts
    log.debug({ session: sessionName(id) }, 'a close was asked for')
    local.end(id, 'closed')
    keeper.discard(id, by)
  }

  /** Does what is due, without waiting for the next beat. */
  flushNow (): void {
    this.#flush().catch(err => this.#parts.failures.failed(err))
  }

  #report (): Report {
    const { draining, size, room, tagged } = this.#parts.local
    return { state: draining ? 'draining' : 'up', sessions: size, room: draining ? 0 : room, tags: tagged }
  }

  #beating (): (gone: boolean) => void {
    const { local, doubt } = this.#parts
    const sent = performance.now()
    const acknowledged = local.beating()
    return gone => {
      doubt.beaten(sent)
      acknowledged(gone)
    }
  }

  #onBeat ({ gone, closed }: { gone: boolean, closed: string[] }): void {
    const { node: { epoch }, keeper, removals, doubt } = this.#parts
    for (const entry of closed) {
      const wished = readWish(entry)
      if (wished === undefined) this.endClosed(entry)
      else this.#grant(wished)
    }
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      keeper.verifyAll()
    }
    if (!gone) return removals.beaten()
    doubt.raise()
    this.recheck()
  }

  /** Does what an operator wishes, if it is meant for this incarnation. */
  #grant ({ wish, of }: { wish: string, of: string }): void {
    const { node: { incarnation }, local, liveEvents, failures } = this.#parts
    const meant = of === incarnation
    if (wish === 'look') this.#look(of).catch(err => failures.failed(err))
    else if (meant && wish === 'drain') local.drainAsked()
    else if (meant && (wish === 'events' || wish === 'calls')) liveEvents.asked(wish === 'calls')
  }

  /** Somebody asked what this node sees of the others. */
  async #look (token: string): Promise<void> {
    const { link, keys, local, node: { id } } = this.#parts
    const look = await local.look?.()
    if (look !== undefined) await writeLook(link, keys, id, token, look)
  }

  #superseded ({ epoch }: NodeState, err: Error): void {
    const { node, local, log } = this.#parts
    log.error({ err, node: node.id }, 'another process has this node\'s identity')
    local.superseded({ epoch })
  }

  async #flush (): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    const { link, keeper, removals, ownKeys, loads, trails, sweeper, failures } = this.#parts
    try {
      link.refresh()
      // Refused or unanswered, one leaves the others their turn.
      await failures.attempt(keeper.flush())
      await failures.attempt(removals.flush())
      await trails.flush()
      if (await failures.attempt(ownKeys.turn())) {
        await failures.attempt(removals.remind())
        await failures.attempt(loads.turn(this.#report()))
      }
      await sweeper?.turn()
    } finally {
      this.#flushing = false
    }
  }
}
