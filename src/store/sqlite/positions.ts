/**
 * A place in a session's transcript: the turn of the run, and in it the number of the entry or the ending, which
 * comes last. Neither changes when the run is taken over, so a position that was told stays good.
 */
import { CoppiceError } from '../../errors.js'

export interface Place {
  readonly turn: number
  /** Infinity for the ending. */
  readonly n: number
}

/** Before everything. */
export const start: Place = { turn: 0, n: -1 }

export function positionOf(turn: number, n: number): string {
  return n === Number.POSITIVE_INFINITY ? `${turn}.end` : `${turn}.${n}`
}

export function placeOf(position: string): Place {
  const [, turn, n] = /^(\d{1,15})\.(\d{1,15}|end)$/.exec(position) ?? []
  if (turn === undefined || n === undefined) {
    throw new CoppiceError(
      'invalid_option',
      `after: ${JSON.stringify(position)} is no position: give one that a transcript or an append told`,
    )
  }
  return { turn: Number(turn), n: n === 'end' ? Number.POSITIVE_INFINITY : Number(n) }
}
