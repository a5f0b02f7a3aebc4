import { copyFile, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { JobHelper } from '#src/containment/job/native.js'
import { noLimits } from '#src/containment/limits.js'
import { plainStop } from '#src/containment/stop-plan.js'

// Linux says ETXTBSY of a program that somebody has open to write; what Windows says of one that a scanner has is no test's to make.
const isElsewhere = process.platform !== 'linux'

async function busyProgram() {
  const folder = await mkdtemp(join(tmpdir(), 'coppice-busy-'))
  const path = join(folder, 'program')
  await copyFile('/bin/true', path)
  const writer = await open(path, 'r+')
  onTestFinished(async () => {
    await writer.close()
    await rm(folder, { recursive: true })
  })
  return { path, writer }
}

const request = {
  tree: 'tree',
  run: null,
  command: 'true',
  args: [],
  stdio: ['ignore', 'ignore', 'ignore'],
  linger: 'stop',
  limits: noLimits,
  stop: plainStop,
  bounds: { timeout: 10_000, grace: 0, killBound: 10_000 },
} as const

test.skipIf(isElsewhere)('a helper that somebody has open for a moment is started after it', async () => {
  const { path, writer } = await busyProgram()
  const started = JobHelper.start(path, request)
  await writer.close()
  const helper = await started
  expect(helper.pid).toBeGreaterThan(0)
  await helper.gone
})

test.skipIf(isElsewhere)('one that stays so is refused with what the system says', async () => {
  const { path } = await busyProgram()
  await expect(JobHelper.start(path, request)).rejects.toThrow(/ETXTBSY/)
})
