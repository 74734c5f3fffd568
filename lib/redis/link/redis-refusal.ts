import { isOfAnotherType } from './unreadable.ts'

/** Whether Redis answered that it does not do what it was asked: it is read-only, full, or does not let us. */
export function isRefusal (err: unknown): boolean {
  return err instanceof Error && err.name === 'ReplyError' && !isOfAnotherType(err)
}
