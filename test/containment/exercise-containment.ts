import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import type { Containment, TreeReport } from '#src/containment/contract.js'
import { exerciseEnding } from './exercise-ending.ts'
import { exerciseExit } from './exercise-exit.ts'
import { exerciseGuard } from './exercise-guard.ts'
import { exerciseLaunch } from './exercise-launch.ts'
import { exerciseSweep } from './exercise-sweep.ts'
import { Launching } from './launching.ts'

export interface Expectations {
  /** What a report says of a tree of which nothing is left. */
  readonly nothingLeft: Pick<TreeReport, 'containment' | 'proof' | 'survivors'>
  /** The same of a sweep after a supervisor that is gone. */
  readonly nothingSwept: Pick<TreeReport, 'containment' | 'proof' | 'survivors'>
  /** Whether a daemon that scrubs its environment is held. Where not, the suite shows its escape. */
  readonly holdsEscapes: boolean
  /** Whether it is faster than a process that forks and exits every 30 milliseconds. */
  readonly outrunsForks: boolean
  /** Whether a root's death by a signal that Node has no name for is told from its exit with 0. */
  readonly tellsRealTimeSignals: boolean
  /** Whether CPU time and memory of the whole tree are told. */
  readonly accountsUsage: boolean
  /** Whether there are signals. On Windows there are none: an exit has a code, and what has no console cannot be asked. */
  readonly hasSignals: boolean
}

/** Of the containments that nothing escapes and that see the whole tree. */
export function guardExpectations(containment: 'guard' | 'cgroup'): Expectations {
  return {
    nothingLeft: { containment, proof: 'empty', survivors: [] },
    nothingSwept: { containment: 'group', proof: 'unproven', survivors: [] },
    holdsEscapes: true,
    outrunsForks: true,
    tellsRealTimeSignals: true,
    accountsUsage: true,
    hasSignals: true,
  }
}

/** What every kind of containment is held to. After each test nothing of it may live. */
export function exerciseContainment(
  name: string,
  open: () => Promise<Containment>,
  expectations: Expectations,
): void {
  describe(`containment ${name}`, () => {
    let containment: Containment
    let launching: Launching
    const here = () => launching
    beforeAll(async () => {
      containment = await open()
    })
    afterAll(() => containment.close())
    beforeEach(() => {
      launching = new Launching(containment)
    })
    afterEach(() => launching.assertNothingLives())

    exerciseLaunch(here)
    exerciseExit(here, expectations)
    exerciseEnding(here, expectations)
    // It sweeps what `group` leaves, of which libuv's own job ends the root on Windows: beds/windows has tests of its own.
    if (expectations.hasSignals) exerciseSweep(here, expectations)
    // It stops its root's parent, which is this very process where there is no guard.
    if (expectations.holdsEscapes && expectations.hasSignals) exerciseGuard(here)
  })
}
