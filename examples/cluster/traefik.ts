import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { makeCertificate } from './certificate.ts'

/** The application on all nodes in turn: what was there before MCP. */
const APPLICATION = 'application'
/** An entry point of the loopback alone, where Traefik itself asks any live node for the list of nodes. */
const INTERNAL = 'internal'
const ANY_NODE = 'any-node'

/**
 * Writes what Traefik reads into a folder: the project's own traefik.yml with
 * other addresses, the application's default router, and a certificate.
 * Returns the static configuration's path.
 *
 * The list of nodes is asked for through Traefik itself, so that any live node
 * may answer.
 */
export async function writeTraefikFiles ({ folder, ports, nodes, token }: {
  folder: string
  ports: { websecure: number, internal: number, traefik: number }
  nodes: string[]
  token: string
}): Promise<{ configuration: string, certificate: string }> {
  const [certificate, key, dynamic, configuration] = ['certificate.pem', 'key.pem', 'application.yml', 'traefik.yml'].map(name => join(folder, name)) as [string, string, string, string]
  const pem = await makeCertificate()
  await writeFile(certificate, pem.cert)
  await writeFile(key, pem.key, { mode: 0o600 })
  await writeFile(dynamic, stringify(application(nodes, { certFile: certificate, keyFile: key }), { aliasDuplicateObjects: false }))

  const { entryPoints, ...base } = parse(await readFile('traefik.yml', 'utf8'))
  await writeFile(configuration, stringify({
    ...base,
    log: { level: 'ERROR', noColor: true },
    entryPoints: {
      websecure: { ...entryPoints.websecure, address: `127.0.0.1:${ports.websecure}` },
      [INTERNAL]: { address: `127.0.0.1:${ports.internal}` },
      traefik: { address: `127.0.0.1:${ports.traefik}` }
    },
    providers: {
      ...base.providers,
      file: { filename: dynamic },
      http: {
        ...base.providers.http,
        endpoint: `http://127.0.0.1:${ports.internal}/mcp-sticky/traefik`,
        headers: { Authorization: `Bearer ${token}` }
      }
    }
  }))
  return { configuration, certificate }
}

function application (nodes: string[], certificate: { certFile: string, keyFile: string }): object {
  const roundRobin = {
    loadBalancer: {
      servers: nodes.map(url => ({ url })),
      healthCheck: { path: '/mcp-sticky/ready', interval: '1s', timeout: '1s' }
    }
  }
  return {
    http: {
      routers: {
        [APPLICATION]: { entryPoints: ['websecure'], rule: 'PathPrefix(`/`)', priority: 1, service: APPLICATION, tls: {} },
        [ANY_NODE]: { entryPoints: [INTERNAL], rule: 'Path(`/mcp-sticky/traefik`)', service: ANY_NODE }
      },
      services: { [APPLICATION]: roundRobin, [ANY_NODE]: roundRobin }
    },
    tls: { stores: { default: { defaultCertificate: certificate } } }
  }
}
