/** Waits for work until `deadline` (performance.now()), no longer. */
export async function before (deadline: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise(resolve => { timer = setTimeout(resolve, Math.max(0, deadline - performance.now())) })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
