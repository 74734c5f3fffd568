#!/usr/bin/env node
import { traefikCommand, usage } from './command.ts'

const [command, ...args] = process.argv.slice(2)

if (command === '--help' || command === '-h' || args.includes('--help')) {
  process.stdout.write(usage)
} else {
  try {
    if (command !== 'traefik') throw new Error(command === undefined ? 'what to do is missing' : `there is no command ${command}`)
    process.stdout.write(traefikCommand(args))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    process.exitCode = 2
  }
}
