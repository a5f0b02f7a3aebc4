import ms from 'ms'

/** One JSON value on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** A table for people; control characters of a session's key or a command must not reach their terminal. */
export function printTable(head: readonly string[] | null, rows: readonly (readonly string[])[]): void {
  const lines = (head === null ? rows : [head, ...rows]).map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of lines) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  const text = lines.map((row) => {
    const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
    return `${cells.join('  ')}\n`
  })
  // In one piece: what cannot be written is then told once.
  process.stdout.write(text.join(''))
}

/** How long ago. */
export function age(since: string): string {
  return ms(Math.max(0, Date.now() - Date.parse(since)))
}

export function duration(milliseconds: number): string {
  return ms(milliseconds)
}

function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))
}
