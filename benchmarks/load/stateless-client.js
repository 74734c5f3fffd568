import { Connection } from './connection.js'

const TEXT = 'hello from the load generator'
const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"}}'
const HEADERS = 'Host: 127.0.0.1\r\n' +
  'Accept: application/json, text/event-stream\r\n' +
  'Content-Type: application/json\r\n' +
  'X-User: bench\r\n' +
  'MCP-Protocol-Version: 2026-07-28\r\n'

/** What a client asks, and what the answer has in it. Ids have six digits, so the length never changes. */
const ASKED = {
  call: asked('tools/call', `"name":"echo","arguments":{"text":"${TEXT}"},`, 'Mcp-Name: echo\r\n', TEXT),
  list: asked('tools/list', '', '', '"name":"echo"')
}

/** A client without a session (MCP 2026-07-28), over one connection: each request stands for itself. */
export class StatelessClient {
  connection
  #before
  #after
  #expected
  #seq = 100000

  /** @param {'call' | 'list'} kind what it asks, again and again */
  static async open (port, connection, kind) {
    const client = new StatelessClient(connection ?? await Connection.open(port), ASKED[kind])
    await client.call()
    return client
  }

  constructor (connection, { request, expected }) {
    this.connection = connection
    this.#expected = expected
    const [before, after] = request.split('999999')
    this.#before = before
    this.#after = after
  }

  /** Asks, and checks the answer. */
  async call () {
    const id = this.#seq++
    if (id === 999999) this.#seq = 100000
    const { status, head, body } = await this.connection.send(this.#before + id + this.#after)
    if (status !== 200 || !body.includes(`"id":${id}`) || !body.includes(this.#expected)) {
      throw new Error(`a request was answered with\n${head}\n\n${body}`)
    }
  }
}

function asked (method, params, headers, expected) {
  const body = `{"jsonrpc":"2.0","id":999999,"method":"${method}","params":{${params}${META}}}`
  return { request: `POST /mcp HTTP/1.1\r\n${HEADERS}Mcp-Method: ${method}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`, expected }
}
