const BEGIN = '=?base64?'
const END = '?='
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * What the value of a header field stands for: text as it is, or UTF-8 in
 * `=?base64?…?=` (spec 2026-07-28, Value Encoding). Undefined for what is no
 * Base64 with its padding, or no UTF-8.
 */
export function decoded (value: string): string | undefined {
  if (!value.startsWith(BEGIN) || !value.endsWith(END) || value.length < BEGIN.length + END.length) return value
  const base64 = value.slice(BEGIN.length, -END.length)
  if (!BASE64.test(base64)) return undefined
  try {
    return utf8.decode(Buffer.from(base64, 'base64'))
  } catch {
    return undefined
  }
}

/** The value of a field that may be there once. Node joins what comes twice, so it equals nothing. */
export function single (field: string | string[] | undefined): string | undefined {
  return typeof field === 'string' ? field.trim() : field?.join(', ')
}
