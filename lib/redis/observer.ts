import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { BEATS } from '../beats.ts'
import { find, whereaboutsOf } from '../directory/find.ts'
import type { Finding } from '../directory/find.ts'
import { incarnationOf, newIdentity } from '../directory/node.ts'
import type { NodeStatus } from '../directory/node.ts'
import type { RedisClient } from './client.ts'
import { locate } from './finding/locate.ts'
import { listPage } from './finding/listing.ts'
import type { Page } from './finding/listing.ts'
import { orUnavailable, unavailable } from './link/unavailable.ts'
import { CloseSet, wishEntry } from './nodes/close-set.ts'
import type { Wish } from './nodes/close-set.ts'
import { readAnswers } from './nodes/looks.ts'
import type { Answered } from './nodes/looks.ts'
import type { NodeState } from './nodes/node-state.ts'
import { partsOf } from './parts.ts'
import { liveNodes, statusOf } from './status.ts'

export { CALL_KINDS } from './nodes/live-events.ts'
export type { LiveMessage } from './nodes/live-events.ts'

/** Who an observer says it is where it has done something. */
const OPERATOR = '(operator)'
/** Reads and writes of an operator's may take this long, in milliseconds. */
const HEARTBEAT = 2000
const LIFE = 30 * 24 * 3600 * 1000

/** How often it is looked whether all nodes have answered, and how long a look of theirs may take, in milliseconds. */
const AGAIN = 100
const LOOKING = 12_000

/** A live node, and what it answered when it was asked to look at the others; nothing, in time or at all, where it is older than the question. */
export interface LookedNode extends Pick<NodeState, 'id' | 'url' | 'format' | 'heartbeat' | 'options' | 'stateless'> {
  answered: Answered | undefined
}

/** Looks at the sessions and nodes in Redis from outside, and asks for what operators want. Works while no node does. */
export interface Observer {
  /** The live nodes, by id. @throws DirectoryUnavailableError */
  nodes: () => Promise<NodeStatus[]>
  /** One page of the sessions of all nodes. @throws DirectoryUnavailableError, OptionError for a cursor that is not ours */
  list: (page: { cursor?: string | undefined, limit: number }) => Promise<Page>
  /** What became of a session, by its public name or id, of whatever endpoint. @throws DirectoryUnavailableError, OptionError */
  find: (nameOrId: string) => Promise<Finding>
  /** Ends a session, wherever it lives. @throws DirectoryUnavailableError */
  close: (id: string) => Promise<boolean>
  /** Asks a live node to drain: it hears that with its next beat. False: there is no such node. @throws DirectoryUnavailableError */
  drain: (node: string) => Promise<boolean>
  /** Asks the live nodes to publish their events on the channel keys.live, from their next beat on, for 30 s: LiveMessage. `calls`: those of every call too. @throws DirectoryUnavailableError */
  watch: (calls: boolean) => Promise<string[]>
  /** Asks all live nodes what they see of each other; they hear that with their next beat. By id. @throws DirectoryUnavailableError */
  look: () => Promise<LookedNode[]>
  /** Takes its listeners off the client, which stays open. */
  stop: () => void
}

/** @throws DirectoryUnavailableError when there is no connection within a second. */
export async function observe ({ client, keyPrefix }: { client: RedisClient, keyPrefix: string }): Promise<Observer> {
  const nothing = () => {}
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const node = newIdentity({ id: OPERATOR, tags: 1 })
  const events = { masterGone: nothing, answering: nothing, reconnected: nothing }
  const parts = partsOf({ client, node, keyPrefix, ttl: LIFE, heartbeat: HEARTBEAT, log }, events)
  const { link, keys, registry, removals, trails, unreadable } = parts
  await link.connected(1000)

  const whereIs = async (id: string) => whereaboutsOf(await orUnavailable(locate(parts, id, { fresh: true, discarding: false, closing: [] })))

  const wish = (what: Wish, { id, epoch }: Pick<NodeState, 'id' | 'epoch'>, of = incarnationOf(epoch)) => orUnavailable(new CloseSet(link, keys, id).add(wishEntry(what, of)))

  return {
    async nodes () {
      return (await orUnavailable(liveNodes(parts))).map(([node, load]) => statusOf(node, load))
    },
    list: page => orUnavailable(listPage(parts, page)),
    find: nameOrId => find({ trails, locate: whereIs }, nameOrId),
    async close (id) {
      const outcome = await orUnavailable(removals.remove(id, 'any'))
      // Nobody stays to do it later.
      if (outcome === 'queued') throw unavailable('it does not answer')
      await trails.flush()
      return outcome === 'removed'
    },
    async drain (id) {
      const asked = (await orUnavailable(registry.now())).get(id)
      if (asked === undefined) return false
      await wish('drain', asked)
      return true
    },
    async watch (calls) {
      const nodes = [...(await orUnavailable(registry.now())).values()]
      await Promise.all(nodes.map(node => wish(calls ? 'calls' : 'events', node)))
      return nodes.map(({ id }) => id)
    },
    async look () {
      const nodes = (await orUnavailable(liveNodes(parts, false))).map(([node]) => node)
      const token = randomBytes(9).toString('base64url')
      await Promise.all(nodes.map(node => wish('look', node, token)))
      const end = performance.now() + LOOKING + BEATS.place * Math.max(0, ...nodes.map(({ heartbeat }) => heartbeat))
      for (;;) {
        const answers = await orUnavailable(readAnswers(link, keys, unreadable, token))
        if (nodes.every(({ id }) => answers.has(id)) || performance.now() > end) {
          return nodes.map(({ id, url, format, heartbeat, options, stateless }) => ({ id, url, format, heartbeat, options, ...stateless && { stateless }, answered: answers.get(id) }))
        }
        await delay(AGAIN)
      }
    },
    stop: () => link.stop()
  }
}
