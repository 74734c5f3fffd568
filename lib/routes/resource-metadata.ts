import type { FastifyInstance } from 'fastify'
import { OptionError } from '../errors.ts'
import { internalPath } from '../http/internal-paths.ts'
import { metadataPath, RESOURCE_METADATA } from '../security/protected-resource.ts'
import type { ProtectedResource } from '../security/protected-resource.ts'

/** Seconds. A change of the authorization servers is known after that. */
const MAX_AGE = 300
const READABLE = { 'access-control-allow-origin': '*' }
/** A client in a browser asks with the protocol's version, and has to ask first whether it may. */
const PREFLIGHT = { ...READABLE, 'access-control-allow-methods': 'GET, HEAD', 'access-control-allow-headers': 'MCP-Protocol-Version', 'access-control-max-age': 86_400 }

/** What is answered at a path. `own`: the resource's url leads there, and not only a client's guess. */
interface Told { endpoint: string, own: boolean, metadata: object }

interface Added {
  /** The endpoint's name. */
  endpoint: string
  /** Its path, with all prefixes. */
  path: string
  resource: ProtectedResource
}

/**
 * The metadata of all endpoints of a node that take OAuth tokens, for clients
 * that have none yet (spec 2025-11-25 and 2026-07-28, Authorization Server
 * Discovery): before the application's hooks, as the internal paths are, and
 * readable from any page. They are where the resource's url says, where the
 * endpoint's own path says, and at the root while the application has one
 * endpoint. A route of the application that was there before stays.
 */
export class ResourceMetadata {
  readonly #told = new Map<string, Told>()
  readonly #endpoints: () => number

  /** `endpoints`: how many the application has, with tokens and without. */
  constructor (endpoints: () => number) {
    this.#endpoints = endpoints
  }

  /** @throws OptionError where another endpoint's resource has the same path */
  add (app: FastifyInstance, { endpoint, path, resource: { path: own, metadata } }: Added): void {
    const there = this.#told.get(own)
    if (there?.own === true) {
      throw new OptionError('oauth.resource', `has the path of that of the endpoint ${there.endpoint}, and clients ask for the metadata of both at ${own}`)
    }
    this.#tell(app, own, { endpoint, own: true, metadata })
    for (const guess of [metadataPath(path), RESOURCE_METADATA]) {
      if (!this.#told.has(guess)) this.#tell(app, guess, { endpoint, own: false, metadata })
    }
  }

  #tell (app: FastifyInstance, path: string, told: Told): void {
    const served = this.#told.has(path)
    if (!served && app.hasRoute({ method: 'GET', url: path })) return
    this.#told.set(path, told)
    if (served) return
    internalPath(app, path, () => ({
      status: 200,
      headers: { ...READABLE, 'cache-control': `public, max-age=${MAX_AGE}` },
      body: this.#told.get(path)!.metadata
    }), { preflight: PREFLIGHT, open: () => path !== RESOURCE_METADATA || this.#told.get(path)!.own || this.#endpoints() === 1 })
  }
}
