import type { Finding } from '../../directory/find.ts'
import type { Step } from '../../directory/trails.ts'
import { tagOf } from '../../session-id.ts'
import { UsageError } from '../arguments.ts'
import { ago, jsonOf, safe, table } from '../table.ts'
import type { Scene, Verb } from '../verb.ts'

const NAME = 12

export const session: Verb = {
  help: `fastify-mcp-sticky session NAME [options]

What became of a session: where it is, which nodes had it, when, and why it is
gone. NAME is its public name of 12 characters, as logs have it, the beginning
of that, or its whole id. Of one that has ended this is known for a day
(session.keepEnded), of one that lives as long as it lives.
`,
  options: {},
  names: ['NAME'],
  async run (scene) {
    const found = await lookUp(scene)
    if (found === undefined) return false
    const { id: _id, ...told } = found
    scene.out(scene.json ? jsonOf(told) : text(found))
    return found.status !== 'unknown'
  }
}

/** The one session that is meant; undefined, and said, when there is none. @throws UsageError for several */
export async function lookUp ({ observer, namesOf, names: [given], err }: Scene): Promise<Finding | undefined> {
  const name = given!
  if (tagOf(name) !== undefined || name.length === NAME) return observer.find(name)
  if (!/^[\w-]+$/.test(name)) throw new UsageError(`${JSON.stringify(name)} is neither the name of a session nor an id`)
  const names = await namesOf(name)
  if (names.length > 1) throw new UsageError(`Several sessions begin with ${name}: ${names.join(' ')}`)
  if (names.length === 0) {
    err(`No session begins with ${name}.\n`)
    return undefined
  }
  return observer.find(names[0]!)
}

function text ({ name, status, node, steps }: Finding): string {
  const now = Date.now()
  const lines = [`session ${safe(name)}: ${verdict(status, node?.id, steps)}`]
  return `${lines.join('\n')}\n${steps.length === 0 ? '' : `\n${table(['WHEN', 'AGO', 'WHAT', 'NODE'], steps.map(step => [new Date(step.at).toISOString(), ago(now - step.at), what(step), step.node]))}`}`
}

function verdict (status: Finding['status'], node: string | undefined, steps: Step[]): string {
  const last = steps.at(-1)
  switch (status) {
    case 'local':
    case 'misrouted': return `lives on node ${safe(node!)}`
    case 'orphaned': return last?.what === 'handed_over' ? `was handed over by node ${safe(node!)}, and goes on where its client asks next` : `its node ${safe(node!)} is gone; it goes on where its client asks next, if nodes adopt`
    case 'ended': return `has ended: ${what(last!)}`
    case 'unknown': return last === undefined ? 'there is none, or it has ended longer ago than is kept' : 'its record is gone, and nobody has noted its end'
  }
}

/** A step in words. */
function what ({ what, from, reason }: Step): string {
  if (what === 'adopted') return `adopted from ${from ?? '?'}`
  if (what === 'handed_over') return 'handed over'
  return what === 'ended' ? `ended, ${reason ?? '?'}` : what
}
