import { CoppiceError } from './errors.js'

/** `'512MB'`, `'1.5GiB'`, `'64k'`, or bytes as a number. Units are powers of 1024, as docker, systemd and the kernel count memory. */
export type Size = string | number

const exponents: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 }

/** A size in whole bytes; `invalid_option` naming the option where it is none. */
export function parseSize(option: string, value: Size): number {
  const parsed = typeof value === 'number' ? value : parseText(value)
  if (Number.isNaN(parsed) || parsed < 0) {
    const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
    throw new CoppiceError('invalid_option', `${option}: ${shown} is no size (write 512KB, 64MB or 1.5GB)`)
  }
  return Math.floor(parsed)
}

/** The same size as a person would write it: a whole number where there is a unit for that. */
export function formatSize(bytes: number): string {
  const unit = ['TB', 'GB', 'MB', 'KB'].find((_, index) => bytes > 0 && bytes % 1024 ** (4 - index) === 0)
  return unit === undefined
    ? `${bytes} bytes`
    : `${bytes / 1024 ** (exponents[unit.charAt(0).toLowerCase()] ?? 0)}${unit}`
}

/** The same for what is measured: to the megabyte, or to the kilobyte below one. */
export function formatRoughSize(bytes: number): string {
  const unit = Math.abs(bytes) < 1024 ** 2 ? 1024 : 1024 ** 2
  const rounded = Math.round(bytes / unit) * unit
  if (rounded < 0) return `-${formatRoughSize(-rounded)}`
  return rounded === 0 ? '0KB' : `${rounded / unit}${unit === 1024 ? 'KB' : 'MB'}`
}

function parseText(text: unknown): number {
  if (text === 'Infinity') return Number.POSITIVE_INFINITY
  const found = /^(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?$/i.exec(typeof text === 'string' ? text : '')
  if (found === null) return Number.NaN
  return Number(found[1]) * 1024 ** (exponents[(found[2] ?? '').toLowerCase()] ?? 0)
}
