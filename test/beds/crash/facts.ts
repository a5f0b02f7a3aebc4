import type { Outcome } from 'coppice'

/** What the day's program says that coppice acknowledged; a line each. */
export type Fact =
  | { readonly open: number }
  | { readonly admitted: string; readonly session: string; readonly fence: number }
  | { readonly entry: { readonly run: string; readonly position: string; readonly entry: unknown } }
  | { readonly aborted: string; readonly code: string }
  | { readonly stopping: string; readonly cause: string }
  | { readonly returns: string }
  | { readonly outcome: Outcome }
  | { readonly accepted: string }
  | MessageFact
  | { readonly closed: true }

/** What either kind of program says of messages. */
export type MessageFact =
  | { readonly begun: { readonly request: string; readonly run: string; readonly fence: number } }
  | {
      readonly told: {
        readonly run: string
        readonly session: string | null
        readonly fence: number | null
        readonly state: string
        readonly request: string | null
        /** Messages that it had done. */
        readonly through: readonly string[]
      }
    }

/** What a program says that reopens the state. */
export type ReopenFact =
  | MessageFact
  | {
      readonly turn: {
        readonly time: 'first' | 'second'
        readonly session: string
        readonly run: string
        readonly fence: number
        readonly alive: readonly number[]
      }
    }
  | {
      readonly time: 'first' | 'second'
      readonly outcomes: Readonly<Record<string, Outcome>>
      readonly transcripts: Readonly<Record<string, readonly TranscriptLine[]>>
    }

export interface TranscriptLine {
  readonly position: string
  readonly run: string
  readonly kind: 'entry' | 'ending'
  readonly entry?: unknown
  readonly outcome?: Outcome
}

export function factsIn<T>(text: string): readonly T[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as T)
}
