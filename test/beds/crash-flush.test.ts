/** P9: a crowd's requests are told as stored when they are on the disk, and as not stored where they do not come there. */

import { fileURLToPath } from 'node:url'
import { describe, expect } from 'vitest'
import { type Scene, test } from '../support/scene.ts'
import { whyNoStrace } from './crash/strace.ts'

const program = fileURLToPath(new URL('../store/programs/crowds.mjs', import.meta.url))
/** Milliseconds. */
const delay = 200

describe.skipIf(whyNoStrace() !== null)('a crowd of requests', () => {
  test('waits for its flushes', { timeout: 120_000 }, async ({ scene }) => {
    const { quickest } = await crowd(scene, `fdatasync:delay_enter=${delay * 1000}`)
    expect(quickest).toBeGreaterThanOrEqual(delay)
  })

  test('case 32b: is stored all the same where a flush fails', { timeout: 120_000 }, async ({ scene }) => {
    const { failure } = await crowd(scene, 'fdatasync:error=EIO:when=3')
    expect(failure).toBeNull()
  })

  test('case 32b: is told so where its disk fails', { timeout: 120_000 }, async ({ scene }) => {
    const { failure } = await crowd(scene, 'fdatasync:error=EIO:when=3+', 'fsync:error=EIO:when=60+')
    expect(failure).toMatchObject({ code: 'store_unavailable' })
  })
})

/** What is done to which calls: the thread's flushes are fdatasync(2), and SQLite's own fsync(2). */
async function crowd(scene: Scene, ...tampering: string[]): Promise<{ quickest: number; failure: unknown }> {
  const inject = tampering.flatMap((what) => ['-e', `inject=${what}`])
  const options = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync,fsync', ...inject]
  const traced = scene.bash('exec strace "$@"', [...options, process.execPath, program, scene.state, '10000'])
  const { stdout, stderr } = await traced.exited
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}
