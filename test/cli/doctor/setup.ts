import type { Test } from 'tap'
import { run } from '../../../lib/cli/run.ts'
import { startCluster } from '../../fixtures/cluster.ts'
import type { NodeOptions } from '../../fixtures/cluster.ts'
import type { StartedApp, StartOptions } from '../../fixtures/app.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import type { RedisServer } from '../../fixtures/redis.ts'
import { startProxy } from './proxy.ts'
import type { Faults } from './proxy.ts'

/** Short, so that tests are; a machine may stop for three of them without a node being taken for dead. */
export const HEARTBEAT = 500

export interface Row { check: string, verdict: string, saw: string, why: string, cure: Record<string, string> }

export interface Examined { code: number, out: string, err: string, rows: Row[] }

/** Runs the doctor in this process, for JSON. */
export async function examined (args: string[], env: Record<string, string> = {}): Promise<Examined> {
  let [out, err] = ['', '']
  const code = await run(['doctor', ...args, '--json'], { out: text => { out += text }, err: text => { err += text }, env })
  return { code, out, err, rows: out === '' ? [] : JSON.parse(out) as Row[] }
}

/** Names of the checks with a verdict. */
export function having (verdict: string, { rows }: Examined): string[] {
  return rows.flatMap(row => row.verdict === verdict ? [row.check] : [])
}

export interface Patients { redis: RedisServer, keyPrefix: string, nodes: StartedApp[] }

/** Two nodes on a Redis that keeps what it is given, or is started so. */
export async function startPatients (t: Test, options: NodeOptions | ((id: 'a' | 'b') => NodeOptions) = {}, { redis: extra = [], ...startOptions }: StartOptions & { redis?: string[] } = {}): Promise<Patients> {
  const redis = await startRedis(t, ['--appendonly', 'yes', ...extra])
  const of = (id: 'a' | 'b'): NodeOptions => ({ node: { heartbeat: HEARTBEAT }, stream: { keepAlive: 100 }, ...typeof options === 'function' ? options(id) : options })
  const nodes = await startCluster(t, redis, ['a', 'b'], of, startOptions)
  const [key] = await connect(t, redis).keys('*members')
  return { redis, keyPrefix: key!.slice(0, -'members'.length), nodes }
}

/** The options that lead the doctor to Redis. */
export function inside ({ redis, keyPrefix }: Pick<Patients, 'redis' | 'keyPrefix'>, user = ''): string[] {
  return ['--redis', redis.url.replace('//', `//${user}`), '--key-prefix', keyPrefix]
}

/** Looks from outside, through a proxy with these faults. */
export async function outside (t: Test, nodes: StartedApp[], faults: Faults = {}, args: string[] = []): Promise<Examined> {
  const origin = await startProxy(t, nodes, faults)
  return examined([`${origin}/mcp`, '--patience', '2s', ...args])
}
