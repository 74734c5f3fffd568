import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../fixtures/free-port.ts'
import { configurationFor } from './documented-configuration.ts'
import { startProxy } from './process.ts'
import { proxySuite } from './suite.ts'

proxySuite(t, async (t, nodes) => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  await startProxy(t, {
    program: process.env['NGINX_BIN'] ?? 'nginx',
    configuration: configurationFor('nginx.conf', nodes).replace('listen 80;', `listen 127.0.0.1:${port};`),
    args: (folder, path) => ['-c', path, '-e', 'stderr', '-g', `daemon off; pid ${join(folder, 'pid')};`],
    url
  })
  return url
})
