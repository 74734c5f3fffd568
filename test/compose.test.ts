// examples/cluster/compose.yml tells Traefik what the code would.
import t from 'tap'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { traefikCommand } from '../lib/traefik/command.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const { services } = parse(read('examples/cluster/compose.yml'), { merge: true })
const nodes: Array<{ id: string, url: string, port: string }> = Object.values<any>(services)
  .flatMap(({ environment }) => environment === undefined ? [] : [{ id: environment.NODE_ID, url: environment.NODE_URL, port: environment.PORT }])

t.test('each node is reached under its service\'s name, at the port where it listens', async t => {
  t.equal(nodes.length, 3)
  for (const { id, url, port } of nodes) {
    t.ok(id in services)
    t.equal(url, `http://${id}:${port}`)
  }
})

t.test('mcp.yml is what the command makes of these nodes', async t => {
  const args = [...nodes.flatMap(({ id, url }) => ['--node', `${id}=${url}`]), '--entry-point', 'websecure', '--tls']
  t.equal(read('examples/cluster/traefik/mcp.yml'), traefikCommand(args), `npx fastify-mcp-sticky traefik ${args.join(' ')}`)
})

t.test('the application\'s router comes after ours and has the same nodes', async t => {
  const application = parse(read('examples/cluster/traefik/application.yml')).http
  const mcp = parse(read('examples/cluster/traefik/mcp.yml')).http
  t.same(application.services.application.loadBalancer.servers, nodes.map(({ url }) => ({ url })))
  for (const { priority } of Object.values<any>(mcp.routers)) t.ok(priority > application.routers.application.priority)
})

t.test('the static settings are those of traefik.yml, but for where they come from', async t => {
  const { entryPoints: { websecure }, serversTransport, ping, global } = parse(read('traefik.yml'))
  const wanted = flags({ entryPoints: { websecure }, serversTransport, ping, global, providers: { file: { directory: '/etc/traefik/dynamic' } } })
  t.same(services.traefik.command.toSorted(), wanted.sort())
})

/** As Traefik takes them on its command line. */
function flags (value: object, path: string[] = []): string[] {
  const entries = Object.entries(value)
  // What is there without more is switched on.
  if (entries.length === 0) return [`--${path.join('.')}=true`]
  return entries.flatMap(([name, inner]) => typeof inner === 'object' ? flags(inner, [...path, name]) : [`--${[...path, name].join('.')}=${inner}`])
}
