import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { stringify } from 'yaml'
import { OptionError } from '../errors.ts'
import { clusterDocument } from './document.ts'
import { readTraefikOptions } from './options.ts'
import type { TraefikOptions } from './options.ts'

/** Options of mcpStickyTraefikFile: `file`, and how the endpoint stands in Traefik. */
export interface TraefikFileOptions extends TraefikOptions {
  /** The file that Traefik's file provider watches, or one in the folder that it watches: `/etc/traefik/dynamic/mcp.yml`. */
  file: string
  /** How often the nodes are looked up, in milliseconds. Default 1000. */
  interval?: number
}

/** After so many looks the file is read though nothing has changed: two nodes that wrote at once may have left the older one. */
const READ = 10
/** How the file begins: the number of its document, so that no node writes an older one over it. */
const VERSION = '# fastify-mcp-sticky, version '

async function plugin (app: FastifyInstance, options: TraefikFileOptions): Promise<void> {
  const { file, interval = 1000, ...traefik } = options
  // Traefik reads nothing else as YAML.
  if (typeof file !== 'string' || !/[^/]\.ya?ml$/.test(file)) throw new OptionError('file', 'must be the path of a .yml or .yaml file')
  if (!Number.isSafeInteger(interval) || interval < 1 || interval > 2 ** 31 - 1) throw new OptionError('interval', 'must be a whole number of milliseconds above 0')
  readTraefikOptions(traefik)

  const document = clusterDocument({ mcpSessions: app.mcpSessions, options: traefik, log: app.log })
  /** What the file has said, as far as is known. */
  let published: Published | undefined
  let unread = READ
  let running: Promise<void> | undefined
  let failing = false

  async function publish (): Promise<void> {
    const told = await document()
    if (told === undefined) return
    const { version, configuration } = told
    const text = stringify(configuration, { aliasDuplicateObjects: false })
    if (text === published?.text && --unread > 0) return
    unread = READ
    // Another node may have written since, and know more.
    published = await current(file)
    if (text === published?.text || (version > 0 && version < (published?.version ?? 0))) return
    await replace(file, `${VERSION}${version}\n${text}`)
    published = { version, text }
    app.log.info({ file }, 'the configuration for Traefik has changed')
  }

  /** One at a time; a file that can't be written now may be writable later. */
  function tick (): void {
    running ??= publish().then(() => { failing = false }, err => {
      if (!failing) app.log.error({ err, file }, 'the configuration for Traefik cannot be written')
      failing = true
    }).finally(() => { running = undefined })
  }

  let timer: NodeJS.Timeout | undefined
  app.addHook('onReady', async () => {
    // A file that can't be written from the start is a mistake to hear of at the start.
    await publish()
    timer = setInterval(tick, interval).unref()
  })
  app.addHook('onClose', async () => {
    clearInterval(timer)
    await running
  })
}

/** What is in the file; `version`: 0 where it says none. */
interface Published { version: number, text: string }

async function current (file: string): Promise<Published | undefined> {
  try {
    const whole = await readFile(file, 'utf8')
    const [head, version] = new RegExp(`^${VERSION}(\\d{1,15})\n`).exec(whole) ?? ['', '0']
    return { version: Number(version), text: whole.slice(head.length) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** In one step, so that Traefik never reads half a file; Traefik takes no notice of the other name. */
async function replace (file: string, text: string): Promise<void> {
  const other = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await writeFile(other, text)
    await rename(other, file)
  } finally {
    await rm(other, { force: true })
  }
}

/**
 * Keeps a file for Traefik's file provider in step with the cluster: written
 * only when the members change, and left alone while the node registry can't
 * be read. It stays when the application closes. Register it after mcpSticky.
 * @throws MCP_STICKY_ERR_OPTION, at register: the message names the option. A
 * file that cannot be written fails the application's start.
 */
export const mcpStickyTraefikFile = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-mcp-sticky-traefik-file',
  dependencies: ['fastify-mcp-sticky'],
  encapsulate: true
})
