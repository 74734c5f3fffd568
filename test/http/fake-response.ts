import { EventEmitter } from 'node:events'
import type { ClientResponse } from '../../lib/http/client-response.ts'

/** A response, as far as is looked at by those who watch over one. */
export class FakeResponse extends EventEmitter {
  destroyed = false
  writableEnded = false
  /** Bytes that Node has, and the client has yet to take. */
  writableLength = 0
  /** The client takes what it is sent. */
  reads = true
  readonly written: string[] = []
  readonly connection = Object.assign(new EventEmitter(), {
    destroyed: false,
    timeout: 5000,
    setTimeout: (milliseconds: number): void => { this.connection.timeout = milliseconds },
    destroy: (): void => { this.connection.destroyed = true }
  })

  readonly req = { headers: {} as Record<string, string>, socket: this.connection }
  /** Null while another response is before it on its connection. */
  socket: object | null = this.connection
  /** Of HTTP/2. */
  stream: { destroyed: boolean, close: (code: number) => void } | undefined
  /** What is called when nothing was taken for so long. */
  onTimeout = (): void => {}

  get raw (): ClientResponse {
    return this as unknown as ClientResponse
  }

  setTimeout (milliseconds: number, listener: () => void): void {
    this.connection.setTimeout(milliseconds)
    this.onTimeout = listener
  }

  write (data: string | Buffer): boolean {
    this.written.push(data.toString())
    if (!this.reads) this.writableLength += data.length
    return this.reads
  }

  /** The client takes all that there is. */
  take (): void {
    this.writableLength = 0
    this.emit('drain')
  }

  end (): void {
    this.writableEnded = true
  }

  destroy (): void {
    this.destroyed = true
    this.emit('close')
  }
}
