import type { Cluster, Redis } from 'ioredis'
import type { LookedNode, Observer } from '../../redis/observer.ts'
import type { Endpoint } from './endpoint.ts'

interface InsideParts {
  observer: Pick<Observer, 'look'>
  client: Redis | Cluster
  keyPrefix: string
  /** Undefined: nobody looks from outside. */
  endpoint: Endpoint | undefined
}

/** A cluster, as Redis and its own nodes see it. */
export class Inside {
  readonly client: Redis | Cluster
  readonly keyPrefix: string
  readonly endpoint: Endpoint | undefined
  readonly #observer: InsideParts['observer']
  #nodes: Promise<LookedNode[]> | undefined

  constructor ({ observer, client, keyPrefix, endpoint }: InsideParts) {
    this.client = client
    this.keyPrefix = keyPrefix
    this.endpoint = endpoint
    this.#observer = observer
  }

  /** All that records are written to. */
  readonly servers = (): Redis[] => 'nodes' in this.client ? this.client.nodes('master') : [this.client]

  /** The live nodes, and what they see of each other; they are asked once. */
  nodes (): Promise<LookedNode[]> {
    return (this.#nodes ??= this.#observer.look())
  }

  /** The same, asked once more. */
  again (): Promise<LookedNode[]> {
    return this.#observer.look()
  }
}
