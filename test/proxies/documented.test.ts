import t from 'tap'
import { parse } from 'yaml'
import { documented, DOCUMENTED, tagOfAddress } from './documented-configuration.ts'

for (const name of ['nginx.conf', 'haproxy.cfg', 'envoy.yaml']) {
  t.test(`${name} has the tags of its nodes, and no others`, async t => {
    const tags = documented(name).match(/\b[0-9a-f]{16}\b/g)
    t.same(tags, DOCUMENTED.map(tagOfAddress))
  })
}

t.test('envoy.yaml: each tag leads to its node, then to the pool; what is named is there', async t => {
  const { static_resources: { listeners, clusters } } = parse(documented('envoy.yaml'))
  const [host] = listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts
  const named = new Map<string, any>(clusters.map((cluster: { name: string }) => [cluster.name, cluster]))
  const addresses = (name: string): string[] => named.get(name).load_assignment.endpoints[0].lb_endpoints
    .map(({ endpoint: { address: { socket_address: at } } }: any) => `${at.address}:${at.port_value}`)

  t.same(addresses('pool'), DOCUMENTED)
  for (const address of DOCUMENTED) {
    const { route } = host.routes.find(({ match }: any) => match.headers?.[0].string_match.prefix === `${tagOfAddress(address)}.`)
    const [own, ...others] = named.get(route.cluster).cluster_type.typed_config.clusters
    t.same(addresses(own), [address])
    t.same(others, ['pool'])
  }
  for (const { route } of host.routes) t.ok(route === undefined || named.has(route.cluster))
})
