/**
 * Does something and returns how long it took, in milliseconds. The process
 * never sleeps meanwhile: to wake it up would be the server's work, and on a
 * virtual machine the dearest part of a write.
 */
export async function awake (work) {
  const start = performance.now()
  let working = true
  const spin = () => { if (working) setImmediate(spin) }
  spin()
  try {
    await work()
  } finally {
    working = false
  }
  return performance.now() - start
}
