import { Connection } from './connection.js'

const TEXT = 'hello from the load generator'
const PROTOCOL = '2025-11-25'

/** Every contestant gets the same bytes, also those that only ours looks at. */
const SHARED = 'Host: 127.0.0.1\r\n' +
  'Accept: application/json, text/event-stream\r\n' +
  'Content-Type: application/json\r\n' +
  'X-User: bench\r\n'

const initialize = post(JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: PROTOCOL, capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } }
}), SHARED)

/** One MCP session over one connection. */
export class Session {
  #connection
  #id
  #headers
  #call
  #seq = 100000

  /** Opens a session, over a connection of its own or one that is given. */
  static async open (port, connection) {
    connection ??= await Connection.open(port)
    const { status, head } = await connection.send(initialize)
    const id = /\r\nmcp-session-id: (\S+)/i.exec(head)?.[1]
    if (status !== 200 || id === undefined) throw new Error(`initialize was answered with\n${head}`)
    const session = new Session(connection, id)
    await session.#initialized()
    return session
  }

  constructor (connection, id) {
    this.#connection = connection
    this.#id = id
    this.#headers = `${SHARED}Mcp-Session-Id: ${id}\r\nMcp-Protocol-Version: ${PROTOCOL}\r\n`
    // Ids have six digits, so the length never changes and the head is made once.
    const [before, after] = post(JSON.stringify({
      jsonrpc: '2.0', id: 999999, method: 'tools/call', params: { name: 'echo', arguments: { text: TEXT } }
    }), this.#headers).split('999999')
    this.#call = id => before + id + after
  }

  get connection () { return this.#connection }

  /** Calls the tool and checks the answer; over its own connection or one to another node. */
  async call (connection = this.#connection) {
    const id = this.#seq++
    if (id === 999999) this.#seq = 100000
    const { status, head, body } = await connection.send(this.#call(id))
    if (status !== 200 || !body.includes(`"id":${id}`) || !body.includes(TEXT)) {
      throw new Error(`a call was answered with\n${head}\n\n${body}`)
    }
  }

  /** Calls a tool that takes no arguments. */
  async use (name) {
    const call = JSON.stringify({ jsonrpc: '2.0', id: this.#seq++, method: 'tools/call', params: { name, arguments: {} } })
    const { status, head, body } = await this.#connection.send(post(call, this.#headers))
    if (status !== 200 || !body.includes('"result"')) throw new Error(`${name} was answered with\n${head}\n\n${body}`)
  }

  /** Opens the standalone GET stream, over a connection of its own. */
  async openStream (port) {
    const connection = await Connection.open(port)
    const status = await connection.openStream(`GET /mcp HTTP/1.1\r\n${this.#headers.replace(/Content-Type.*\r\n/, '')}\r\n`)
    if (status !== 200) throw new Error(`GET was answered with ${status}`)
  }

  /** Ends the session. */
  async delete () {
    const { status, head } = await this.#connection.send(`DELETE /mcp HTTP/1.1\r\n${this.#headers.replace(/Content-Type.*\r\n/, '')}\r\n`)
    if (status !== 200) throw new Error(`DELETE of ${this.#id} was answered with\n${head}`)
  }

  async #initialized () {
    const { status, head } = await this.#connection.send(post('{"jsonrpc":"2.0","method":"notifications/initialized"}', this.#headers))
    if (status !== 202) throw new Error(`notifications/initialized was answered with\n${head}`)
  }
}

function post (body, headers) {
  return `POST /mcp HTTP/1.1\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
}
