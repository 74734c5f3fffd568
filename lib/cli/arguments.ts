import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** Somebody asked for something that there is not, or in a way that is not understood. */
export class UsageError extends Error {}

export type OptionTypes = Readonly<Record<string, { type: 'string' | 'boolean', multiple?: boolean }>>

/** What a command was given. */
export interface Arguments {
  /** Where Redis is; several for a Cluster. */
  redis: string[]
  /** Somebody has said where: it is not the default. */
  redisGiven: boolean
  cluster: boolean
  keyPrefix: string
  /** JSON instead of a table. */
  json: boolean
  /** What comes without an option's name, in order. */
  names: string[]
  /** Its own options. */
  values: Readonly<Record<string, string | boolean | undefined>>
}

export const CONNECTION_OPTIONS = {
  redis: { type: 'string', multiple: true },
  'redis-file': { type: 'string' },
  cluster: { type: 'boolean' },
  'key-prefix': { type: 'string' },
  json: { type: 'boolean' }
} as const satisfies OptionTypes

export const CONNECTION_HELP = `Redis and output:

  --redis URL           redis:// or rediss:// (redis://127.0.0.1:6379)
  --redis-file FILE     a file that holds the URL, so that no password is in a list of processes;
                        or the environment variable MCP_STICKY_REDIS
  --cluster             it is a Redis Cluster: --redis may be repeated
  --key-prefix PREFIX   the option keyPrefix of the nodes (mcp:)
  --json                for programs
`

/** @throws UsageError */
export function readArguments (args: string[], options: OptionTypes, names: readonly string[], env: Readonly<Record<string, string | undefined>>): Arguments {
  const { values, positionals } = parse(args, options)
  const missing = names[positionals.length]
  if (missing !== undefined && !missing.startsWith('[')) throw new UsageError(`${missing} is missing`)
  if (positionals.length > names.length) throw new UsageError(`${JSON.stringify(positionals[names.length])} is more than is asked for`)
  const { redis, 'redis-file': file, cluster = false, 'key-prefix': keyPrefix = 'mcp:', json = false, ...own } = values
  return {
    redis: redis as string[] | undefined ?? [file === undefined ? env['MCP_STICKY_REDIS'] ?? 'redis://127.0.0.1:6379' : fromFile(file as string)],
    redisGiven: (redis ?? file ?? env['MCP_STICKY_REDIS']) !== undefined,
    cluster: cluster as boolean,
    keyPrefix: keyPrefix as string,
    json: json as boolean,
    names: positionals,
    values: own as Arguments['values']
  }
}

/** A duration as people write it: 90s, 15m, 4h, 2d; in milliseconds. @throws UsageError */
export function durationOf (option: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  if (number === undefined) throw new UsageError(`--${option} ${JSON.stringify(text)}: must be a number with a unit, as in 90s, 15m, 4h or 2d`)
  return Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's']
}

/** A whole number within bounds. @throws UsageError */
export function numberOf (option: string, text: string, most: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1 || Number(text) > most) throw new UsageError(`--${option} ${JSON.stringify(text)}: must be a whole number from 1 to ${most}`)
  return Number(text)
}

function parse (args: string[], options: OptionTypes): { values: Record<string, unknown>, positionals: string[] } {
  try {
    return parseArgs({ args, options, allowPositionals: true }) as { values: Record<string, unknown>, positionals: string[] }
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function fromFile (file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--redis-file: ${(error as Error).message}`)
  }
}
