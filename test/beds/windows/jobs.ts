import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { openJob } from '#src/containment/job/job.js'
import { Launching } from '../../containment/launching.ts'

export const helper = (await findHelper()) ?? ''

/** What the tests of a file launch in jobs, and a folder of theirs whose name begins so. After each nothing of it may live. */
export interface Jobs {
  readonly containment: Containment
  readonly launching: Launching
  readonly folder: string
}

export function useJobs(folderName: string): Jobs {
  const jobs = {} as { -readonly [Name in keyof Jobs]: Jobs[Name] }
  beforeAll(async () => {
    jobs.containment = await openJob({ helper })
    jobs.folder = await mkdtemp(join(tmpdir(), folderName))
  })
  afterAll(async () => {
    await jobs.containment.close()
    await rm(jobs.folder, { recursive: true, force: true, maxRetries: 10 })
  })
  beforeEach(() => {
    jobs.launching = new Launching(jobs.containment)
  })
  afterEach(() => jobs.launching.assertNothingLives())
  return jobs
}
