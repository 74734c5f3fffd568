import { decoded, single } from './header-value.ts'

/** A parameter of a tool that its calls repeat in the field `Mcp-Param-<name>` (spec 2026-07-28, Custom Headers from Tool Parameters). */
export interface Declaration {
  /** Of the argument, from the arguments on. */
  path: readonly string[]
  /** The whole name of the field, in small letters, as Node has it. */
  field: string
  type: unknown
}

export const PREFIX = 'mcp-param-'
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const DECIMAL = /^-?\d+(\.\d+)?$/
const NONE: readonly Declaration[] = []

/**
 * What a tool's input schema declares. They are found along `properties` alone;
 * what stands elsewhere, or is no name of a field, makes a tool that clients
 * leave out, and is no declaration.
 */
export function declarationsOf (schema: unknown): readonly Declaration[] {
  const found: Declaration[] = []
  collect(schema, [], found)
  return found.length === 0 ? NONE : found
}

/** What is wrong with the fields of a call, if anything is; without what the client wrote. */
export function fieldProblem (declarations: readonly Declaration[], args: unknown, headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  for (const { path, field, type } of declarations) {
    const text = textOf(valueAt(args, path))
    if (text === undefined) continue
    const header = single(headers[field])
    if (header === undefined) return `${named(field)} is missing`
    const value = decoded(header)
    if (value === undefined) return `${named(field)} is no valid Base64`
    if (value !== text && !(isNumber(type) && DECIMAL.test(value) && Number(value) === valueAt(args, path))) return `${named(field)} is not the argument that it repeats`
  }
  return undefined
}

function collect (schema: unknown, path: readonly string[], found: Declaration[]): void {
  if (typeof schema !== 'object' || schema === null) return
  const { properties, type, 'x-mcp-header': name } = schema as Record<string, unknown>
  if (path.length > 0 && typeof name === 'string' && TOKEN.test(name)) found.push({ path, field: PREFIX + name.toLowerCase(), type })
  if (typeof properties !== 'object' || properties === null) return
  for (const [key, child] of Object.entries(properties)) collect(child, [...path, key], found)
}

function valueAt (args: unknown, path: readonly string[]): unknown {
  let value = args
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** An argument as its field has it; undefined for what has no field: nothing, or what the schema will not take. */
function textOf (value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : String(value)
}

function isNumber (type: unknown): boolean {
  return type === 'integer' || type === 'number'
}

/** The tool's own name of the field: of its author, not of the client. */
function named (field: string): string {
  return `Mcp-Param-${field.slice(PREFIX.length)}`
}
