import type { FastifyBaseLogger } from 'fastify'
import { Gather } from '../bounds/gather.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import { hasEndpoint } from '../directory/node.ts'
import { holderOf, isOf } from '../directory/tag-table.ts'
import type { Holder, Peer } from '../directory/tag-table.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import { tagOf } from '../session-id.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { heirAmong, loadsOf } from './heirs/choose.ts'

/** Nodes that are asked to take a session, one after another, and how often it is looked who that is. */
const ASKED = 3
const LOOKS = 10

export interface HeirsParts {
  node: NodeIdentity
  directory: Pick<SessionDirectory, 'tags' | 'peers'>
  sessions: Pick<Sessions, 'tagged' | 'state' | 'roomAt'>
  /** Asks the node at `url` whether it takes these sessions of an endpoint. Never rejects: no answer is a no. */
  ask: (url: string, ids: string[], endpoint: string) => Promise<boolean>
  log: Pick<FastifyBaseLogger, 'info'>
}

/**
 * Where the sessions of nodes go that are gone: all of one tag to one node, so
 * that a proxy can lead requests there once it has heard. A node that leaves
 * names its heirs itself (`handOn`); for one that died, whoever is asked for a
 * session of its does (`place`). The table of tags remembers it.
 */
export class Heirs {
  readonly #parts: HeirsParts
  /** Questions by url and endpoint: those of one turn are one. */
  readonly #questions = new Map<string, Gather<boolean>>()

  constructor (parts: HeirsParts) {
    this.#parts = parts
  }

  /**
   * The node where the orphan of this id, of an endpoint that this node has, is to go on, which has just said that
   * it takes it; undefined: here. `tried`: ids of nodes that did not, which
   * hold its tag no longer; those that say no are added.
   * @throws DirectoryUnavailableError
   */
  async place (id: string, endpoint: string, tried: Set<string>): Promise<Peer | undefined> {
    const { node, sessions } = this.#parts
    const tag = tagOf(id)
    if (tag === undefined) return undefined
    if (sessions.state !== 'open' || sessions.roomAt(endpoint) === 0) tried.add(node.id)
    for (let asked = 0, looks = 0; asked < ASKED && looks < LOOKS; looks++) {
      const holder = await this.#holder(tag, endpoint, tried)
      if (holder === 'changed') continue
      if (holder === undefined || holder.id === node.id) return undefined
      asked++
      if (await this.#ask(holder.url!, id, endpoint)) return holder
      tried.add(holder.id)
    }
    return undefined
  }

  /**
   * Names heirs for the tags that this node holds, before it goes. To be called
   * again for as long as it is there: others may have named it meanwhile. What
   * nobody can take stays. Never rejects for a directory that cannot be reached.
   */
  async handOn (): Promise<void> {
    // What others have changed meanwhile is looked at once more.
    for (let looks = 0; looks < ASKED; looks++) if (await orNothing(this.#handOn()) !== 'changed') return
  }

  async #handOn (): Promise<'changed' | undefined> {
    const { node, directory, sessions, log } = this.#parts
    const [peers, table] = await this.#look()
    const { tagged } = sessions
    const expected = ([tag, { promised }]: [string, Holder]): number => Math.max(promised, tagged[tag] ?? 0)
    const ours = [...table].filter(([, entry]) => isOf(entry, node)).sort((a, b) => expected(b) - expected(a))
    const loads = loadsOf(peers, table)
    const moves: Array<Promise<boolean>> = []
    for (const [tag, entry] of ours) {
      const promised = expected([tag, entry])
      const heir = promised === 0 ? undefined : heirAmong(peers, loads, new Set([node.id]), [this.#endpoints, ...this.#endpoints.map(name => [name])])
      // Nothing of it is anywhere: the next node of this url may have it.
      if (heir === undefined && promised > 0) break
      if (heir !== undefined) loads.set(heir.id, loads.get(heir.id)! + promised)
      moves.push(directory.tags.move(tag, entry, heir && { node: heir.id, incarnation: heir.incarnation, promised }).then(moved => {
        if (moved && heir !== undefined) log.info({ tag, heir: heir.id, sessions: promised }, 'the sessions of a tag go to another node')
        return moved
      }))
    }
    return (await Promise.all(moves)).every(moved => moved) ? undefined : 'changed'
  }

  /** Who holds a tag, or is named now. Undefined: nobody can. `changed`: others have named somebody meanwhile. */
  async #holder (tag: string, endpoint: string, tried: ReadonlySet<string>): Promise<Peer | 'changed' | undefined> {
    const { directory, log } = this.#parts
    const [peers, table] = await this.#look()
    const entry = table.get(tag)
    const holder = holderOf(entry, peers)
    // It holds the tag for sessions of other endpoints, and keeps it: those of this one go on where they are asked for.
    if (holder !== undefined && !hasEndpoint(holder, endpoint)) return undefined
    if (holder !== undefined && !tried.has(holder.id)) return holder
    const heir = heirAmong(peers, loadsOf(peers, table), tried, [this.#endpoints, [endpoint]])
    if (heir === undefined) return undefined
    if (!await directory.tags.move(tag, entry, { node: heir.id, incarnation: heir.incarnation, promised: Math.max(1, entry?.promised ?? 0) })) return 'changed'
    log.info({ tag, heir: heir.id, before: entry?.node }, 'the sessions of a tag go to another node')
    return heir
  }

  async #look (): Promise<[Peer[], ReadonlyMap<string, Holder>]> {
    const { directory } = this.#parts
    return Promise.all([directory.peers(), directory.tags.read()])
  }

  /** All that this node has: one that has them too is preferred, since a tag is for sessions of all. */
  get #endpoints (): string[] {
    return Object.keys(this.#parts.node.endpoints)
  }

  #ask (url: string, id: string, endpoint: string): Promise<boolean> {
    const key = `${endpoint} ${url}`
    let question = this.#questions.get(key)
    if (question === undefined) {
      question = new Gather(async ids => {
        this.#questions.delete(key)
        const taken = await this.#parts.ask(url, ids, endpoint)
        return () => taken
      })
      this.#questions.set(key, question)
    }
    return question.ask(id)
  }
}

/** What keeps a table from being looked at is no reason to fail what can be done without it. */
export async function orNothing<T> (work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof DirectoryUnavailableError) return undefined
    throw error
  }
}
