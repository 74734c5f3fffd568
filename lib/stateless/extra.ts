import { MessageExtra } from '../transport/extra.ts'
import { REVISION } from './revision.ts'

const CLASSIFICATION = { era: 'modern', revision: REVISION } as const

/** What comes with a stateless request to the SDK's handlers. Servers of 2.x compare the era with their own. */
export class RequestExtra extends MessageExtra {
  readonly classification = CLASSIFICATION
}
