import { availableParallelism } from 'node:os'
import { type Spread, spread, table } from './figures.ts'

export type Unit = 'ms' | 'KB' | 'MB' | 'MB/s' | ''

/** What a figure is to be at most, or at least. */
export type Target = { readonly atMost: number } | { readonly atLeast: number }

/** One measured figure of ours, beside a rival's where it has one. */
export interface Line {
  readonly what: string
  readonly unit: Unit
  readonly coppice: Spread
  readonly rival: (Spread & { readonly name: string }) | null
  /** Ours by the rival's, medians; without a rival ours alone. */
  readonly figure: number
  readonly target: Target
  readonly holds: boolean
}

export function against(
  rival: string,
  what: string,
  unit: Unit,
  ours: readonly number[],
  theirs: readonly number[],
  target: Target,
): Line {
  const coppice = spread(ours)
  const other = spread(theirs)
  const figure = coppice.median / other.median
  return {
    what,
    unit,
    coppice,
    rival: { name: rival, ...other },
    figure,
    target,
    holds: holds(figure, target),
  }
}

/** A figure that has no rival: `pick` says which of its spread is to hold. */
export function alone(
  what: string,
  unit: Unit,
  ours: readonly number[],
  target: Target,
  pick: keyof Spread = 'median',
): Line {
  const coppice = spread(ours)
  const figure = coppice[pick]
  return { what, unit, coppice, rival: null, figure, target, holds: holds(figure, target) }
}

/** Writes the lines to stdout, as JSON where that is asked for; `how` says how they were measured. */
export function report(lines: readonly Line[], how: string): void {
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(lines, null, 2))
    return
  }
  console.log(`${availableParallelism()} processors, Node ${process.versions.node}, ${how}\n`)
  console.log(linesTable(lines))
}

export function linesTable(lines: readonly Line[]): string {
  return table([
    ['', 'coppice', 'range', 'rival', 'range', '', 'figure', 'target', ''],
    ...lines.map(({ what, unit, coppice, rival, figure, target, holds }) => [
      what,
      inUnit(coppice.median, unit),
      range(coppice),
      rival === null ? '' : inUnit(rival.median, unit),
      rival === null ? '' : range(rival),
      rival?.name ?? '',
      rival === null ? inUnit(figure, unit) : `${digits(figure)}x`,
      'atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`,
      holds ? 'holds' : 'MISSED',
    ]),
  ])
}

function holds(figure: number, target: Target): boolean {
  return 'atMost' in target ? figure <= target.atMost : figure >= target.atLeast
}

function range({ least, most }: Spread): string {
  return `${digits(least)}–${digits(most)}`
}

function inUnit(value: number, unit: Unit): string {
  return unit === '' ? digits(value) : `${digits(value)} ${unit}`
}

function digits(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en')
  return value.toLocaleString('en', { minimumFractionDigits: 0, maximumSignificantDigits: 3 })
}
