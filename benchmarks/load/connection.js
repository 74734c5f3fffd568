import { once } from 'node:events'
import { connect } from 'node:net'

const STATUS = 'HTTP/1.1 '.length

/**
 * One keep-alive HTTP/1.1 connection with one request in flight: only what a
 * load generator needs, so that it costs a fraction of what it measures.
 */
export class Connection {
  #socket
  #text = ''
  #answered
  #failed

  static async open (port) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    return new Connection(socket)
  }

  constructor (socket) {
    this.#socket = socket.setEncoding('latin1')
    socket.on('data', text => this.#read(text))
    socket.on('error', err => this.#failed?.(err))
    socket.on('close', () => this.#failed?.(new Error('the server closed the connection')))
  }

  /**
   * Sends a serialized request.
   * @returns {Promise<{ status: number, head: string, body: string }>} a chunked body comes with its framing
   */
  send (request) {
    return new Promise((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      if (this.#socket.destroyed) return reject(new Error('the server closed the connection while it was idle'))
      this.#socket.write(request, 'latin1')
    })
  }

  /** Sends a request whose answer is a stream that stays open, and waits for its headers. */
  async openStream (request) {
    this.#socket.removeAllListeners('data')
    this.#socket.write(request, 'latin1')
    const [text] = await once(this.#socket, 'data')
    this.#socket.resume()
    return Number(text.slice(STATUS, STATUS + 3))
  }

  close () {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #read (text) {
    if (this.#text !== '') text = this.#text + text
    const end = text.indexOf('\r\n\r\n')
    if (end === -1 || !isWhole(text, end)) {
      this.#text = text
      return
    }
    this.#text = ''
    this.#answered({
      status: Number(text.slice(STATUS, STATUS + 3)),
      head: text.slice(0, end),
      body: text.slice(end + 4)
    })
  }
}

/** With one request in flight nothing follows the answer, so its end is the end of the text. */
function isWhole (text, end) {
  const length = /\r\ncontent-length: (\d+)/i.exec(text)
  if (length !== null && length.index < end) return text.length - end - 4 >= Number(length[1])
  if (text.startsWith('202', STATUS) || text.startsWith('204', STATUS)) return true
  return text.endsWith('\r\n0\r\n\r\n')
}
