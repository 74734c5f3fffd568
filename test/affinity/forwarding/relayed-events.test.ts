import t from 'tap'
import { RelayedEvents } from '../../../lib/affinity/forwarding/relayed-events.ts'

const LAST = 'event: message\ndata: {}\n\n'

/** How a stream of these chunks is ended. */
function ending (chunks: string[], lastWords = LAST): string {
  const events = new RelayedEvents()
  for (const chunk of chunks) events.passed(Buffer.from(chunk))
  return events.ending(() => lastWords)
}

/** The text in chunks of every two lengths. */
function * cuts (text: string): Iterable<string[]> {
  for (let at = 0; at <= text.length; at++) yield [text.slice(0, at), text.slice(at)]
  yield [...text]
}

t.test('after whole events the last words follow at once', async t => {
  t.equal(ending([]), LAST)
  for (const chunks of cuts('data: 1\n\n: a comment\n\n')) t.equal(ending(chunks), LAST, JSON.stringify(chunks))
})

t.test('an event that was cut off is no message', async t => {
  for (const text of ['data: 1', 'data: 1\n\ndata: 2\n', 'd', '\n']) {
    // A single newline ends an event that never began.
    const expected = text === '\n' ? LAST : `\nevent: cut-off\n\n${LAST}`
    for (const chunks of cuts(text)) t.equal(ending(chunks), expected, JSON.stringify(chunks))
  }
  t.equal(ending(['data: 1'], ''), '', 'nothing to say')
})

t.test('a client that can resume is told nothing', async t => {
  const text = 'event: message\nid: 1\ndata: 1\n\ndata: 2'
  t.equal(ending([text]), '')
  t.equal(ending(['id: 1\ndata: \n\n']), '')
  t.equal(ending(['data: 1\n', 'id: 1\n']), '')
  t.not(ending(['data: id: 1\n\n']), '')
  t.not(ending(['data: 1', 'id: 1\n\n']), '', 'in the middle of a line')
})
