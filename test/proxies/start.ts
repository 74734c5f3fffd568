import { join } from 'node:path'
import { freePort } from '../fixtures/free-port.ts'
import type { TestLike } from '../fixtures/redis.ts'
import { configurationFor } from './documented-configuration.ts'
import { startProxy } from './process.ts'

type Nodes = Parameters<typeof configurationFor>[1]

/** nginx on a free port, for which it gets a configuration. `ready`: the path at which it answers once it is up. Returns its url. */
export async function startNginx (t: TestLike, configuration: (port: number) => string, ready = ''): Promise<string> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  await startProxy(t, {
    program: process.env['NGINX_BIN'] ?? 'nginx',
    configuration: configuration(port),
    args: (folder, path) => ['-c', path, '-e', 'stderr', '-g', `daemon off; pid ${join(folder, 'pid')};`],
    url: `${url}${ready}`
  })
  return url
}

/** docs/proxies/nginx.conf for these nodes. */
export function documentedNginx (nodes: Nodes): (port: number) => string {
  return port => configurationFor('nginx.conf', nodes).replace('listen 80;', `listen 127.0.0.1:${port};`)
}

/** HAProxy as docs/proxies has it for these nodes. Returns its url. */
export async function startHaproxy (t: TestLike, nodes: Nodes): Promise<string> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  await startProxy(t, {
    program: process.env['HAPROXY_BIN'] ?? 'haproxy',
    configuration: configurationFor('haproxy.cfg', nodes).replace('bind :80', `bind 127.0.0.1:${port}`),
    args: (_folder, path) => ['-db', '-f', path],
    url
  })
  return url
}
