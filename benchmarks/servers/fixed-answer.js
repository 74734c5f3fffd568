// Answers with the same bytes whatever it is asked, without reading HTTP:
// shows what the load generator can do at most.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { obey } from '../process/orders.js'

const body = '{"jsonrpc":"2.0","id":100000,"result":{"content":[{"type":"text","text":"hello from the load generator"}]}}'
const answer = Buffer.from(`HTTP/1.1 200 OK\r\nmcp-session-id: fixed\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
const accepted = Buffer.from('HTTP/1.1 202 Accepted\r\n\r\n')
const ID = '"id":'
const answerId = answer.indexOf(ID)

const server = createServer({ noDelay: true }, socket => socket.on('data', request => {
  const id = request.indexOf(ID)
  if (request.includes('"notifications/')) socket.write(accepted)
  else if (id === -1) socket.write(answer)
  else {
    const copy = Buffer.from(answer)
    request.copy(copy, answerId, id, id + ID.length + 6)
    socket.write(copy)
  }
}))

obey({
  listen: async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server.address().port
  }
})
