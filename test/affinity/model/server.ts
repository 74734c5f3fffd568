import { FakeExchange } from '../../fixtures/fake-exchange.ts'
import type { World } from './world.ts'

export const VERSION = '2025-11-25'

/** A server object that answers after a while, with its serial number. */
export function modelServer (serial: number, world: World, wait: (milliseconds: number) => Promise<void>): any {
  return {
    connect: async (transport: any) => {
      transport.onmessage = (message: any) => {
        if (!('id' in message) || !('method' in message)) return
        const result = message.method === 'initialize'
          ? { protocolVersion: VERSION, capabilities: {}, serverInfo: { name: 's', version: '1' } }
          : { serial }
        const busy = message.method === 'initialize' ? 1 : world.chance(0.2) ? world.int(1000, 9000) : world.int(0, 30)
        // What is said after the session's end has nowhere to go.
        wait(busy).then(() => transport.send({ jsonrpc: '2.0', id: message.id, result })).catch(() => {})
      }
      await transport.start?.()
    },
    close: async () => {}
  }
}

/** The answer to a request; tells of it. */
export class Answering extends FakeExchange {
  readonly #told: (body: any) => void

  constructor (told: (body: any) => void) {
    super()
    this.#told = told
  }

  override json (body: string): void {
    super.json(body)
    this.#told(this.body)
  }
}
