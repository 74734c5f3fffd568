/** Control characters, and those that turn the direction of text: what a client calls itself must not act on a terminal. */
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** Text that a terminal shows and does not obey. */
export function safe (text: string): string {
  return text.replace(UNSAFE, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Rows under their headings, in columns. */
export function table (headings: string[], rows: Array<Array<string | number | undefined>>): string {
  const all = [headings, ...rows.map(row => row.map(cell => cell === undefined || cell === '' ? '-' : safe(String(cell))))]
  const widths = headings.map((_, i) => Math.max(...all.map(row => row[i]!.length)))
  return all.map(row => row.map((cell, i) => i === row.length - 1 ? cell : cell.padEnd(widths[i]!)).join('  ').trimEnd()).join('\n') + '\n'
}

/** JSON for programs, as safe. */
export function jsonOf (value: unknown): string {
  return `${JSON.stringify(value, undefined, 2).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, safe)}\n`
}

/** How long, in the largest units that say something. */
export function ago (milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
