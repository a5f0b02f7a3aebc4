import type { Numbered } from './table.js'

/** `waiting` is for a disk or another device, which no signal interrupts. */
export type ProcessState = 'running' | 'sleeping' | 'waiting' | 'stopped' | 'traced' | 'zombie' | 'unknown'

export interface ProcessUsage extends Numbered {
  readonly state: ProcessState
  readonly ageMs: number
  readonly cpuMs: number
  readonly residentBytes: number
}

/** The first letter of a state, as `ps` and /proc have it: macOS says `U` for what Linux calls `D`, and `I` for a long sleep. */
export function stateOf(letter: string): ProcessState {
  return states[letter.charAt(0)] ?? 'unknown'
}

const states: Readonly<Record<string, ProcessState>> = {
  R: 'running',
  S: 'sleeping',
  I: 'sleeping',
  D: 'waiting',
  U: 'waiting',
  T: 'stopped',
  t: 'traced',
  Z: 'zombie',
  X: 'zombie',
}
