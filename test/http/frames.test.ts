// What goes into an SSE frame, for clients that cut lines at more than the specification does.
import t from 'tap'
import { eventFrame, isEventId, primingFrame, retryFrame } from '../../lib/http/frames.ts'

/** All that is a line's end to somebody: Python's splitlines, Java's \R and MULTILINE, a regular expression's `.`. */
const LINE_ENDS = /\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/ // eslint-disable-line no-control-regex

t.test('an event is one data line to every client, and the same message', t => {
  const texts = [
    ...Array.from({ length: 0x300 }, (_, code) => `a${String.fromCharCode(code)}b`),
    ...['\u2027\u2028\u2029\u202a', '\u0085', '\ufeff', '\ud800', '\udfff\ud800', '\u{1f600}', '\\u2028', '\\\\\u2028', '"\u2029"'].map(odd => `a${odd}b`)
  ]
  for (const text of texts) {
    for (const message of [{ text }, { [text]: 1 }]) {
      const lines = eventFrame(JSON.stringify(message), 'x/1-0').split(LINE_ENDS)
      t.strictSame([lines.length, lines[0], lines[1], lines[3], lines[4]], [5, 'event: message', 'id: x/1-0', '', ''])
      t.strictSame(JSON.parse(lines[2]!.slice('data: '.length)), message)
      t.equal(Buffer.from(lines[2]!).toString(), lines[2], 'nothing that UTF-8 cannot say')
    }
  }
  t.equal(eventFrame('{}'), 'event: message\ndata: {}\n\n')
  t.end()
})

t.test('an id is what a header field can bring back', t => {
  t.ok(['1', 'x/1-0', '1 2', 'a:b', '\u00e9'].every(isEventId))
  t.notOk(['', 'a\nb', 'a\rb', 'a\u0085b', '\u2028', '\0', '\u{1f600}', '\ud800', 'a\u0100'].some(isEventId))
  t.end()
})

t.test('a stream begins with an id, and only what goes on says when to come back', t => {
  t.equal(primingFrame('1'), 'id: 1\ndata: \n\n')
  t.equal(retryFrame(5), 'retry: 5\n\n')
  t.end()
})
