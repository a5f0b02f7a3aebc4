import { styleText } from 'node:util'
import ms from 'ms'
import { quoted } from '../supervisor/host/why-sentence.js'

type Style = Parameters<typeof styleText>[0]

/** A text, and how it looks on a terminal that has colours. */
export type Cell = string | { readonly text: string; readonly style: Style }

/** One JSON value on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** A line for people. */
export function printLine(text: string): void {
  process.stdout.write(`${printable(text)}\n`)
}

/** A command that is to be typed next, with the state that this one was given. */
export function withState(command: string, state: string | undefined): string {
  return state === undefined ? command : `${command} --state ${quoted(state)}`
}

/**
 * Columns as wide as what stands in them. On a terminal a line that is too long loses the end of one cell, the last or the
 * `shrinks`-th; elsewhere nothing is cut, and nothing coloured.
 */
export async function printTable(
  head: readonly string[] | null,
  rows: ReadonlyArray<readonly Cell[]>,
  shrinks?: number,
): Promise<void> {
  const lines = (
    head === null ? rows : [head.map((text) => ({ text, style: 'bold' as const })), ...rows]
  ).map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell, style: null } : cell)))
  const cells = lines.map((row) => row.map(({ text, style }) => ({ text: printable(text), style })))
  const widthOf = await widthFor(cells.flat().map(({ text }) => text))
  const widths: number[] = []
  for (const row of cells)
    for (const [i, { text }] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(text))
  const cut = shrinks ?? widths.length - 1
  const most = widthLeft(widths, cut)
  if (most !== null) widths[cut] = Math.min(widths[cut] ?? 0, most)
  const text = cells.map((row) => {
    const padded = row.map(({ text, style }, i) => {
      const width = widths[i] ?? 0
      const fitting = i === cut && most !== null ? shortened(text, width, widthOf) : text
      const pad = i === row.length - 1 ? '' : ' '.repeat(Math.max(0, width - widthOf(fitting)))
      return styled(fitting, style) + pad
    })
    return `${padded.join('  ').trimEnd()}\n`
  })
  // In one piece: what cannot be written is then told once.
  process.stdout.write(text.join(''))
}

/** To load the tables of Unicode takes 70 ms of processor: what is plain, or drawn by ourselves, is as wide as it is long. */
async function widthFor(texts: readonly string[]): Promise<(text: string) => number> {
  if (texts.every((text) => /^[\x20-\x7e│├└─…“”’]*$/.test(text))) return (text) => text.length
  return (await import('string-width')).default
}

/** Columns of the terminal that are left for this cell; null where there is no terminal, or too little to be of use. */
function widthLeft(widths: readonly number[], cut: number): number | null {
  // A terminal may not know its own width.
  if (!process.stdout.isTTY || !process.stdout.columns) return null
  const others = widths.reduce((sum, width, i) => sum + (i === cut ? 0 : width + 2), 0)
  return Math.max(8, process.stdout.columns - others)
}

/** By what a reader sees as one character: an emoji of several code points is not cut in two. */
function shortened(text: string, width: number, widthOf: (text: string) => number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (widthOf(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** Only on a terminal, and not where NO_COLOR asks for none: Node's own rules. */
function styled(text: string, style: Style | null): string {
  return style === null || text === '' ? text : styleText(style, text, { stream: process.stdout })
}

/** How long ago. */
export function age(since: string): string {
  return ms(Math.max(0, Date.now() - Date.parse(since)))
}

export function duration(milliseconds: number): string {
  return ms(Math.round(milliseconds))
}

/** What would steer a terminal, or turn the direction of what follows, is told and not done. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1)
    return escaped === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : escaped
  })
}
