import type { LiveMessage, Observer } from '../redis/observer.ts'
import type { Arguments, OptionTypes } from './arguments.ts'

/** What a command works with. */
export interface Scene extends Arguments {
  observer: Observer
  /** Public names of sessions that begin so: some, where there are many. */
  namesOf: (beginning: string) => Promise<string[]>
  /** Hears what nodes publish while they are watched, until `signal`. Rejects when Redis is gone, or does not let us. */
  listen: (onMessage: (message: LiveMessage) => void, signal: AbortSignal) => Promise<void>
  /** Aborts when somebody wants no more of what goes on until then. */
  interrupted: () => AbortSignal
  out: (text: string) => void
  err: (text: string) => void
}

/** One command. */
export interface Verb extends VerbShape {
  /** False: what it was asked for is not there. @throws UsageError, DirectoryUnavailableError */
  run: (scene: Scene) => Promise<boolean>
}

/** One command that may do without Redis. */
export interface StandaloneVerb extends VerbShape {
  /** False: something is not as it should be. @throws UsageError, NoConnection, DirectoryUnavailableError */
  start: (read: Arguments, terminal: Pick<Scene, 'out' | 'err'>) => Promise<boolean>
}

interface VerbShape {
  /** Its page of help, without the options that all have. */
  help: string
  options: OptionTypes
  /** What it is given besides options; one in brackets may be left out. */
  names: readonly string[]
}
