import t from 'tap'
import type { Forwarder } from '../../lib/affinity/forwarder.ts'
import { OwnerWatch } from '../../lib/affinity/owner-watch.ts'
import type { NodeStatus } from '../../lib/sessions/directory.ts'
import { until } from '../fixtures/until.ts'

/** A watch over owners that are alive, or answer, as the test says. */
function setUp ({ alive, answering }: { alive: () => string[], answering: string[] }) {
  const asked: string[] = []
  const abandoned: string[] = []
  let looks = 0
  const watch = new OwnerWatch({
    beat: 2,
    directory: {
      nodes: async () => {
        looks++
        return alive().map(url => ({ url }) as NodeStatus)
      }
    },
    forwarder: {
      answers: async (url: string) => {
        asked.push(url)
        return answering.includes(url)
      },
      abandon: (url: string) => { abandoned.push(url) }
    } as unknown as Forwarder
  })
  return { watch, asked, abandoned, looks: () => looks }
}

t.test('only an owner without a heartbeat that does not answer either is given up', async t => {
  const { watch, asked, abandoned } = setUp({ alive: () => ['http://beats'], answering: ['http://answers'] })
  let settle = (): void => {}
  const answer = new Promise<void>(resolve => { settle = resolve })
  const awaited = ['http://beats', 'http://answers', 'http://frozen'].map(url => watch.during(url, answer))
  await until('the frozen one has been given up', () => abandoned.length > 0)
  await until('the others have been asked again', () => asked.filter(url => url === 'http://answers').length > 2)
  t.same([...new Set(abandoned)], ['http://frozen'])
  t.notOk(asked.includes('http://beats'))
  settle()
  await Promise.all(awaited)
})

t.test('a directory that cannot say who lives is no evidence', async t => {
  const { watch, asked, looks } = setUp({ alive: () => { throw new Error('away') }, answering: [] })
  let settle = (): void => {}
  const awaited = watch.during('http://owner', new Promise<void>(resolve => { settle = resolve }))
  await until('it has been asked', () => looks() > 2)
  t.same(asked, [])
  settle()
  await awaited
})

t.test('nobody is asked about when nothing is awaited', async t => {
  const { watch, asked, looks } = setUp({ alive: () => [], answering: [] })
  await Promise.all([watch.during('http://owner', Promise.resolve()), watch.during('http://owner', Promise.resolve())])
  const late = setUp({ alive: () => ['http://other'], answering: [] })
  let settle = (): void => {}
  const awaited = late.watch.during('http://other', new Promise<void>(resolve => { settle = resolve }))
  await until('another watch has looked', () => late.looks() > 2)
  t.equal(looks(), 0)
  t.same(asked, [])
  settle()
  await awaited
})
