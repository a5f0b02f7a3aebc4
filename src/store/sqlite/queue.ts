import { type Batched, isOneBatch, takeBatch } from './batch.js'

export interface Request extends Batched {
  readonly write: () => unknown
  readonly patient: boolean
  /** When it was asked for, by performance.now(). */
  readonly since: number
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** The requests that no commit has taken yet, in order of arrival. */
export class Queue {
  #pending: Request[] = []
  #bytes = 0
  #hasty = 0
  /** Of a batch that was rolled back; they came before whatever is pending. */
  #oneByOne: Request[] = []

  get isEmpty(): boolean {
    return this.#pending.length === 0 && this.#oneByOne.length === 0
  }

  /** Whether nobody waits for any of them. */
  get isPatient(): boolean {
    return this.#hasty === 0 && this.#oneByOne.length === 0
  }

  get length(): number {
    return this.#pending.length + this.#oneByOne.length
  }

  /** When the oldest of them was asked for; null where there is none. */
  get since(): number | null {
    const all = [...this.#oneByOne, ...this.#pending]
    return all.length === 0
      ? null
      : all.reduce((least, { since }) => Math.min(least, since), Number.POSITIVE_INFINITY)
  }

  add(request: Request): void {
    this.#pending.push(request)
    this.#bytes += request.bytes
    if (!request.patient) this.#hasty += 1
  }

  runOneByOne(batch: readonly Request[]): void {
    this.#oneByOne.push(...batch)
  }

  /** What the next transaction is for: so many requests at most, the oldest where they are not all. */
  take(most: number): readonly Request[] {
    const alone = this.#oneByOne.shift()
    if (alone !== undefined) return [alone]
    const isAll = isOneBatch(this.#pending.length, this.#bytes)
    const { batch, rest } = isAll
      ? { batch: this.#pending.slice(0, most), rest: this.#pending.slice(most) }
      : takeBatch(this.#pending)
    this.#keep(rest)
    return batch
  }

  remove(which: (request: Request) => boolean): readonly Request[] {
    const removed = [...this.#oneByOne, ...this.#pending].filter(which)
    this.#oneByOne = this.#oneByOne.filter((request) => !which(request))
    this.#keep(this.#pending.filter((request) => !which(request)))
    return removed
  }

  #keep(pending: Request[]): void {
    this.#pending = pending
    this.#bytes = pending.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#hasty = pending.reduce((sum, { patient }) => sum + (patient ? 0 : 1), 0)
  }
}
