import type { TraefikOptions } from '../../lib/traefik/index.ts'

export const nodes = [{ url: 'http://10.0.0.1:3000' }, { url: 'http://10.0.0.2:3000' }]

/** Each option with a value that is not its default. */
export const everything: Required<TraefikOptions> = {
  mcpPath: '/api/mcp',
  entryPoints: ['web', 'websecure'],
  tls: { domains: [{ main: 'mcp.example.com', sans: ['mcp.example.org'] }] },
  hostRule: 'Host(`mcp.example.com`) || Host(`mcp.example.org`)',
  names: 'tools',
  priorities: { cookie: 10, node: 20, guard: 30 },
  middlewares: ['compressed@file'],
  healthCheck: { interval: 500, timeout: 250 },
  serversTransport: { rootCAs: ['/etc/traefik/nodes-ca.pem'], serverName: 'nodes.internal', insecureSkipVerify: false }
}
