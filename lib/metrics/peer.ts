import { PeerMissingError } from '../errors.ts'

/**
 * A package that is installed by whoever wants what needs it. `entry`: ours, which does.
 * @throws PeerMissingError where it is not installed
 */
export async function peer<Module> (entry: string, name: string, loading: Promise<Module>): Promise<Module> {
  try {
    return await loading
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new PeerMissingError(entry, name, { cause })
  }
}
