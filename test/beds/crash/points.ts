/** A point at which a day, and then perhaps its recovery, is killed. */
export interface Point {
  readonly label: string
  /** Tampering with a system call, as strace's --inject has it. */
  readonly inject?: string
  /** Whether the tampering reaches launcher and guards too; else the host alone. */
  readonly helpers?: boolean
  /** The host is killed when this has been seen so many times in strace's log; with its launcher where that is said. */
  readonly kill?: { readonly at: RegExp; readonly time: number; readonly launcher?: true }
  /** A named step and its time. */
  readonly step?: string
  /** Of the reopenings that are killed too, one after the other. */
  readonly recoverySteps?: readonly string[]
  /** How many reopen it at once in the end. */
  readonly recoverers?: number
}

export interface Kind {
  readonly name: string
  /** How many there are; of those so many are taken, evenly. */
  readonly all: readonly Point[]
  readonly take: number
}

/** So many of them, evenly: the first and the last among them. */
export function sample<T>(all: readonly T[], take: number): readonly T[] {
  if (all.length <= take) return all
  const step = (all.length - 1) / (take - 1)
  return Array.from({ length: take }, (_, at) => all[Math.round(at * step)]).filter(
    (one) => one !== undefined,
  )
}

/** How often each system call is made: by the process and thread that makes most, for strace counts each for itself. */
export type Counts = ReadonlyMap<string, number>

export function callsBefore(call: string, counts: Counts): readonly Point[] {
  return upTo(counts.get(call)).map((n) => ({
    label: `before ${call} ${n}`,
    inject: `${call}:signal=KILL:when=${n}`,
  }))
}

/** The call has been made and its caller waits, until the host is killed. */
export function callsAfter(call: string, counts: Counts): readonly Point[] {
  return upTo(counts.get(call)).map((n) => ({
    label: `after ${call} ${n}`,
    inject: `${call}:delay_exit=30000000:when=${n}`,
    kill: { at: /\(DELAYED\)/, time: 1 },
  }))
}

/** Whoever of launcher and guards makes that signal first is killed instead; the host lives on. */
export function guardsAtSignal(counts: Counts): readonly Point[] {
  return upTo(counts.get('kill')).map((n) => ({
    label: `guards at their signal ${n}`,
    inject: `kill:signal=KILL:when=${n}`,
    helpers: true,
  }))
}

export function hostAtSignal(total: number): readonly Point[] {
  return upTo(total).flatMap((time) => {
    const point = { label: `host after signal ${time}`, helpers: true, kill: { at: /kill\(/, time } }
    return [
      point,
      {
        ...point,
        label: `host and launcher after signal ${time}`,
        kill: { ...point.kill, launcher: true as const },
      },
    ]
  })
}

export function stepsOf(steps: Counts): readonly string[] {
  return [...steps].flatMap(([step, count]) => upTo(count).map((n) => `${step}@${n}`))
}

function upTo(count = 0): readonly number[] {
  return Array.from({ length: count }, (_, at) => at + 1)
}
