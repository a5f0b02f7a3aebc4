import { describe } from 'vitest'
import { exerciseAdmission } from './exercise-admission.ts'
import { exerciseBreaker } from './exercise-breaker.ts'
import { exerciseEnding } from './exercise-ending.ts'
import { exerciseFencing } from './exercise-fencing.ts'
import { exerciseInbox } from './exercise-inbox.ts'
import { exerciseLists } from './exercise-lists.ts'
import { exerciseOutbox } from './exercise-outbox.ts'
import { exerciseRefusals } from './exercise-refusals.ts'
import { exerciseRequests } from './exercise-requests.ts'
import { exerciseRetention } from './exercise-retention.ts'
import { exerciseStanding } from './exercise-standing.ts'
import { exerciseSubagents } from './exercise-subagents.ts'
import { exerciseTakeover } from './exercise-takeover.ts'
import { exerciseTranscript } from './exercise-transcript.ts'
import type { OpenStore } from './scene.ts'

/** What every implementation of the store has to hold to. */
export function exerciseStore(name: string, open: OpenStore): void {
  describe(`${name} as a store`, () => {
    exerciseAdmission(open)
    exerciseFencing(open)
    exerciseEnding(open)
    exerciseTakeover(open)
    exerciseRefusals(open)
    exerciseSubagents(open)
    exerciseBreaker(open)
    exerciseTranscript(open)
    exerciseLists(open)
    exerciseStanding(open)
    exerciseRequests(open)
    exerciseInbox(open)
    exerciseOutbox(open)
    exerciseRetention(open)
  })
}
