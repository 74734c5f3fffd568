export function median (numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A table of plain text: the first column left, the others right. */
export function table (head, rows) {
  const cells = [head, ...rows.map(row => row.map(String))]
  const widths = head.map((_, column) => Math.max(...cells.map(row => row[column].length)))
  const line = row => row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join('  ')
  return [line(cells[0]), widths.map(width => '-'.repeat(width)).join('  '), ...cells.slice(1).map(line)].join('\n')
}

/**
 * A figure that should reach a target. `share` is how much of it was reached.
 * `reach`: what can be reached at all, where that is known; a target beyond it
 * is reported and does not decide.
 */
export function atLeast (name, target, figure, reach = Infinity) {
  const share = figure / target
  return reach < target ? { name, target: `≥ ${target}`, figure, share, decides: 1, reach } : { name, target: `≥ ${target}`, figure, share, decides: share }
}

/** A figure that should stay below a target; `share` as above, 1 being good. */
export function atMost (name, target, figure) {
  const share = figure <= target ? 1 : target / figure
  return { name, target: `≤ ${target}`, figure, share, decides: share }
}

/** A figure that should stay below a target, and decides only above `gate`: what a machine with other work to do still reaches. */
export function atMostGated (name, target, figure, gate) {
  return { ...atMost(name, target, figure), decides: figure <= gate ? 1 : 0, gate }
}

/** A figure without a target. */
export function shown (name, figure) {
  return { name, target: '-', figure, decides: 1 }
}

export function verdict ({ share, figure, reach, gate }, tolerance) {
  if (share === undefined) return '-'
  if (share >= 1) return 'met'
  if (gate !== undefined) return figure <= gate ? `MISSED (fails above ${gate})` : `MISSED (above ${gate}: fails)`
  if (share >= tolerance) return `within ${100 * tolerance} %`
  return reach === undefined ? 'MISSED' : `MISSED (bare node:http: ${reach.toFixed(2)})`
}
