/** What a text says that others may have written: undefined for what is no JSON, or is not there. */
export function json (text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
