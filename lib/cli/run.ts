import { DirectoryUnavailableError, OptionError } from '../errors.ts'
import { traefikCommand, usage as traefikUsage } from '../traefik/command.ts'
import { version } from '../version.ts'
import { closeConnection, connectTo, NoConnection } from './connection.ts'
import { CONNECTION_HELP, CONNECTION_OPTIONS, readArguments, UsageError } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { close } from './verbs/close.ts'
import { doctor } from './verbs/doctor.ts'
import { drain } from './verbs/drain.ts'
import { events } from './verbs/events.ts'
import { nodes } from './verbs/nodes.ts'
import { session } from './verbs/session.ts'
import { sessions } from './verbs/sessions.ts'
import type { StandaloneVerb, Verb } from './verb.ts'

/** How the process ends: 0 done, 1 there is no such thing, or it is not as it should be, 2 it was asked wrongly, 3 Redis, or what is looked at, cannot be asked. */
const EXIT = { done: 0, missing: 1, usage: 2, unavailable: 3 } as const

const VERBS: Readonly<Record<string, Verb | StandaloneVerb>> = { nodes, sessions, session, close, drain, events, doctor }

const USAGE = `fastify-mcp-sticky COMMAND [options]

  nodes                 the live nodes, and what each has to do
  sessions              the sessions of all nodes, in pages
  session NAME          where a session is, who had it, and why it is gone: by its public
                        name (logs have it), the beginning of that, or its id
  close NAME            ends a session, wherever it lives
  drain NODE            asks a node to leave in good order: its sessions go on elsewhere
  events                what happens on all nodes, as it happens
  doctor URL            looks whether all is well, from outside and inside, and says what to set
  traefik               prints a configuration for Traefik's file provider

  COMMAND --help        more of a command
  --version             of this package

All but doctor and traefik ask Redis alone, and work while every node is down.
Exit codes: 0 done, 1 no such node or session, or a check that failed, 2 wrong arguments,
3 no Redis, or nobody at the URL.
`

/** What a command writes to, and where it finds what is not among its arguments. */
export interface Terminal {
  out: (text: string) => void
  err: (text: string) => void
  env: Readonly<Record<string, string | undefined>>
  /** Asked by what goes on until somebody wants no more of it. Default: nobody does. */
  interrupted?: () => AbortSignal
}

/** Runs a command; the exit code. */
export async function run ([name, ...args]: string[], terminal: Terminal): Promise<number> {
  const { out, err } = terminal
  if (name === '--version' || name === '-v') return said(out, `${version()}\n`)
  if (name === '--help' || name === '-h' || name === 'help') return said(out, USAGE)
  if (name === 'traefik') return traefik(args, terminal)
  const verb = name !== undefined && Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (verb === undefined) return failed(err, `${name === undefined ? 'a command is missing' : `there is no command ${printable(name)}`}\n\n${USAGE}`, EXIT.usage)
  const help = `${verb.help}\n${CONNECTION_HELP}`
  if (args.includes('--help') || args.includes('-h')) return said(out, help)
  let read: Arguments
  try {
    read = readArguments(args, { ...CONNECTION_OPTIONS, ...verb.options }, verb.names, terminal.env)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return failed(err, `${error.message}\n\n${help}`, EXIT.usage)
  }
  return ask(verb, read, terminal)
}

async function ask (verb: Verb | StandaloneVerb, read: Arguments, { out, err, interrupted = () => new AbortController().signal }: Terminal): Promise<number> {
  let connection: Awaited<ReturnType<typeof connectTo>> | undefined
  try {
    if ('start' in verb) return await verb.start(read, { out, err }) ? EXIT.done : EXIT.missing
    connection = await connectTo(read)
    return await verb.run({ ...connection, ...read, out, err, interrupted }) ? EXIT.done : EXIT.missing
  } catch (error) {
    if (error instanceof UsageError || error instanceof OptionError) return failed(err, `${error.message}\n`, EXIT.usage)
    if (error instanceof NoConnection || error instanceof DirectoryUnavailableError) return failed(err, `${error.message}\n`, EXIT.unavailable)
    throw error
  } finally {
    if (connection !== undefined) closeConnection(connection)
  }
}

function traefik (args: string[], { out, err }: Terminal): number {
  if (args.includes('--help') || args.includes('-h')) return said(out, traefikUsage)
  try {
    return said(out, traefikCommand(args))
  } catch (error) {
    return failed(err, `${(error as Error).message}\n\n${traefikUsage}`, EXIT.usage)
  }
}

function said (out: Terminal['out'], text: string): number {
  out(text)
  return EXIT.done
}

function failed (err: Terminal['err'], text: string, code: number): number {
  err(text)
  return code
}

function printable (text: string): string {
  return JSON.stringify(text)
}
