import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { onConnectionEnd } from '../../lib/http/connection-end.ts'

t.test('however many ask, the socket has one listener, and all who still wait are called', async t => {
  const socket = new EventEmitter()
  const called: number[] = []
  const forget = Array.from({ length: 20 }, (_, i) => onConnectionEnd(socket as Socket, () => { called.push(i) }))
  t.equal(socket.listenerCount('close'), 1)
  for (const each of forget.slice(2)) each()
  t.strictSame(called, [])
  socket.emit('close')
  t.strictSame(called, [0, 1])
})

t.test('connections are apart', async t => {
  const [one, other] = [new EventEmitter(), new EventEmitter()]
  const called: string[] = []
  onConnectionEnd(one as Socket, () => { called.push('one') })
  onConnectionEnd(other as Socket, () => { called.push('other') })
  one.emit('close')
  t.strictSame(called, ['one'])
})
