#!/usr/bin/env node
import { run } from './run.ts'

/** Whoever reads what is written may have enough of it: `| head -1`. */
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit()
  throw error
})

/** For what goes on until then. */
function interrupted (): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}

process.exitCode = await run(process.argv.slice(2), {
  out: text => { process.stdout.write(text) },
  err: text => { process.stderr.write(text) },
  env: process.env,
  interrupted
})
