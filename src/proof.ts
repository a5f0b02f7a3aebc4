/**
 * How a tree's end is told: the vocabulary that containment, which finds it out, shares with the outcome of a
 * run, which records it.
 */

/** How a whole tree's end was established. `group` can never say `empty`: a program can leave its group. */
export type Proof = 'empty' | 'unproven' | 'survivors'

export interface Survivor {
  readonly pid: number
  /** The kernel's start time of the process, so that its pid is never mistaken for a later one's. */
  readonly startTime: string
  readonly name: string
}

const fromBestToWorst: readonly Proof[] = ['empty', 'unproven', 'survivors']

/** The worst of several proofs, for a run with several trees. */
export function worstProof(found: readonly Proof[]): Proof {
  const worst = Math.max(0, ...found.map((proof) => fromBestToWorst.indexOf(proof)))
  return fromBestToWorst[worst] ?? 'unproven'
}
