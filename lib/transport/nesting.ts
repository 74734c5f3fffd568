/** Levels of arrays and objects that a message may have: far more than any has, and far fewer than JSON.stringify, or a validator, has stack for. */
export const MAX_DEPTH = 128

/** Whether JSON of so many bytes is nested too deeply. What recurses over it later would throw a RangeError. */
export function tooDeep (value: unknown, bytes: number): boolean {
  // Each level takes two bytes, so most messages cannot be.
  if (bytes < 2 * MAX_DEPTH || !isNested(value)) return false
  let level: object[] = [value]
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true
    const next: object[] = []
    for (const node of level) {
      if (Array.isArray(node)) {
        for (const child of node) if (isNested(child)) next.push(child)
      } else {
        for (const name in node) {
          const child = (node as Record<string, unknown>)[name]
          if (isNested(child)) next.push(child)
        }
      }
    }
    level = next
  }
  return false
}

function isNested (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
