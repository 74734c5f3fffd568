// Lets Node load TypeScript: newer ones do by themselves, others have tsx. Both remember what they have compiled.
import module from 'node:module'
import { fileURLToPath } from 'node:url'

if (!process.features.typescript) await import('tsx')
// Code of a cache is covered less exactly.
else if (process.env.NODE_V8_COVERAGE === undefined) module.enableCompileCache?.(fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)))
