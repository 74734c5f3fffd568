/** Parts of a wait; one that comes later than this many of them says that this process stalled. */
const PARTS = 10
const LATE = 2
/** Stalls after which it is no use to wait any longer. */
const STALLS = 5

/**
 * Calls `over(true)` after `bound` milliseconds in which this process was
 * never held up: what did not come then would have been heard. Each stall
 * begins the wait anew; after some, `over(false)`. Returns what ends the wait.
 */
export function wait (bound: number, over: (attentive: boolean) => void): () => void {
  const part = bound / PARTS
  let left = PARTS
  let stalls = 0
  let expected = performance.now() + part
  let immediate: NodeJS.Immediate | undefined
  let timer = setTimeout(tick, part).unref()
  function tick (): void {
    const now = performance.now()
    if (now - expected > Math.max(part * LATE, 50)) {
      left = PARTS
      stalls++
    } else left--
    if (left === 0 || stalls === STALLS) {
      // What has arrived by now may be in the socket still: it is read first.
      immediate = setImmediate(() => over(left === 0))
      return
    }
    expected = now + part
    timer = setTimeout(tick, part).unref()
  }
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}
