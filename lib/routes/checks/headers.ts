/** `application/json`, with any parameters. Two values joined by a comma are neither. */
export function isJson (contentType: string | undefined): boolean {
  return contentType === 'application/json' || (contentType !== undefined && /^\s*application\/json\s*(;[^,]*)?$/i.test(contentType))
}

/** Whether an Accept header lets every one of these media types through. */
export function accepts (accept: string | undefined, types: readonly string[]): boolean {
  if (accept === undefined) return false
  const ranges = accept.split(',').map(range => range.trim().toLowerCase()).filter(range => !/;\s*q=0(\.0*)?\s*(;|$)/.test(range))
    .map(range => range.split(';', 1)[0]!.trim())
  return types.every(type => ranges.includes(type) || ranges.includes(`${type.split('/', 1)[0]!}/*`) || ranges.includes('*/*'))
}

/**
 * The same question with memory: clients repeat a handful of Accept headers,
 * and the answer is wanted at every request.
 */
export function accepting (types: readonly string[]): (accept: string | undefined) => boolean {
  const known = new Map<string, boolean>()
  return accept => {
    if (accept === undefined) return false
    let answer = known.get(accept)
    if (answer === undefined) {
      answer = accepts(accept, types)
      if (known.size >= 100) known.clear()
      known.set(accept, answer)
    }
    return answer
  }
}
