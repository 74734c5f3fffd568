import type { Counting } from '../counters.ts'
import { endpointOf } from '../endpoint-name.ts'
import type { AdoptedSession } from './adopted-session.ts'
import { Places } from './places.ts'
import { ServerBuilder } from './server-builder.ts'
import type { BuilderParts } from './server-builder.ts'

export interface EndpointParts extends BuilderParts {
  name: string
  onAdopt: ((session: AdoptedSession) => unknown) | undefined
  limits: { idleTimeout: number, firstUseTimeout: number, maxPerNode: number, maxPerPrincipal: number }
  counters: Counting
}

/** What the sessions of one endpoint of the application are made with, within which bounds, and what is counted of them. */
export class Endpoint {
  readonly name: string
  readonly onAdopt: EndpointParts['onAdopt']
  readonly limits: EndpointParts['limits']
  readonly counters: EndpointParts['counters']
  readonly builder: ServerBuilder
  readonly places: Places

  constructor (parts: EndpointParts) {
    this.name = parts.name
    this.onAdopt = parts.onAdopt
    this.limits = parts.limits
    this.counters = parts.counters
    this.builder = new ServerBuilder(parts)
    this.places = new Places(parts.limits)
  }
}

/** The endpoints of this node by their names. */
export type Endpoints = ReadonlyMap<string, Endpoint>

/** The endpoint of a session that answers to this key; undefined where this node does not have it. */
export function endpointFor (endpoints: Endpoints, key: string | undefined): Endpoint | undefined {
  return endpoints.get(endpointOf(key))
}
