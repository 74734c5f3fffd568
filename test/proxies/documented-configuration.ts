import { readFileSync } from 'node:fs'
import { nodeTag } from '../../lib/session-id.ts'

const folder = new URL('../../docs/proxies/', import.meta.url)

/** The addresses of the nodes in docs/proxies. */
export const DOCUMENTED = ['10.0.0.1:3000', '10.0.0.2:3000', '10.0.0.3:3000']

export const documented = (name: string): string => readFileSync(new URL(name, folder), 'utf8')
export const tagOfAddress = (address: string): string => nodeTag({ id: '', url: `http://${address}` })

/** A documented configuration for these nodes: other addresses, and with them other tags. Nothing else changes. */
export function configurationFor (name: string, nodes: Array<{ url: string }>): string {
  return DOCUMENTED.reduce((text, address, index) => {
    const actual = new URL(nodes[index]!.url).host
    return text.replaceAll(address, actual).replaceAll(tagOfAddress(address), tagOfAddress(actual))
  }, documented(name))
}
