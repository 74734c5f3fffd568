import { constants } from 'node:http2'
import t from 'tap'
import { breakOff, dropConnection, isOpen, onResponseEnd } from '../../lib/http/client-response.ts'
import { FakeResponse } from './fake-response.ts'

/** A response of HTTP/2. */
function ofHttp2 () {
  const response = new FakeResponse()
  const codes: number[] = []
  response.stream = { destroyed: false, close: code => { codes.push(code) } }
  return { response, codes }
}

t.test('a response is open until it ends, or its connection, or its stream', async t => {
  t.equal(isOpen(new FakeResponse().raw), true)
  for (const end of [
    (response: FakeResponse) => { response.destroyed = true },
    (response: FakeResponse) => { response.writableEnded = true },
    (response: FakeResponse) => { response.connection.destroyed = true },
    (response: FakeResponse) => { response.stream = { destroyed: true, close: () => {} } }
  ]) {
    const response = new FakeResponse()
    end(response)
    t.equal(isOpen(response.raw), false, String(end))
  }
  const { response } = ofHttp2()
  response.connection.destroyed = true
  t.equal(isOpen(response.raw), true, 'of HTTP/2 the stream alone says so')
})

t.test('the end is told once, at once where it has been', async t => {
  const response = new FakeResponse()
  let ends = 0
  onResponseEnd(response.raw, () => { ends++ })
  t.equal(ends, 0)
  response.destroy()
  response.emit('close')
  t.equal(ends, 1)
  onResponseEnd(response.raw, () => { ends++ })
  t.equal(ends, 2)
})

t.test('a response whose turn has not come ends with its connection', async t => {
  for (const order of [['connection', 'response'], ['response', 'connection']]) {
    const response = new FakeResponse()
    response.socket = null
    let ends = 0
    onResponseEnd(response.raw, () => { ends++ })
    for (const which of order) (which === 'response' ? response : response.connection).emit('close')
    t.equal(ends, 1, order.join(', then '))
  }
})

t.test('to drop a connection is to drop that of a waiting response too, and of HTTP/2 the stream alone', async t => {
  const response = new FakeResponse()
  response.socket = null
  dropConnection(response.raw)
  t.strictSame([response.destroyed, response.connection.destroyed], [true, true])
  const { response: stream } = ofHttp2()
  stream.socket = null
  dropConnection(stream.raw)
  t.strictSame([stream.destroyed, stream.connection.destroyed], [true, false])
})

t.test('what is broken off does not pass for whole', async t => {
  const response = new FakeResponse()
  breakOff(response.raw)
  t.strictSame([response.destroyed, response.writableEnded], [true, false])
  const { response: stream, codes } = ofHttp2()
  breakOff(stream.raw)
  t.strictSame(codes, [constants.NGHTTP2_INTERNAL_ERROR])
})
