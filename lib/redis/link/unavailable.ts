import { DirectoryUnavailableError } from '../../errors.ts'
import { NoAnswer } from './bounded.ts'

/** To be tried again after so many milliseconds. */
export function unavailable (why: string, milliseconds = 1000): DirectoryUnavailableError {
  return new DirectoryUnavailableError(why, Math.max(1, Math.ceil(milliseconds / 1000)))
}

/**
 * Turns a Redis that doesn't answer, or answers with an error, into
 * DirectoryUnavailableError. Without the cause: ioredis puts the command on its
 * errors, a session's id is in the command, and these errors are logged.
 */
export async function orUnavailable<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (err) {
    if (err instanceof NoAnswer || (err instanceof Error && err.name === 'ReplyError')) throw unavailable(err.message)
    throw err
  }
}
