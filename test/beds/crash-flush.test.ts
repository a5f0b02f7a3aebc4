/** P9: a crowd's requests are told as stored when their flush has ended, and as not stored where it has failed. */

import { fileURLToPath } from 'node:url'
import { describe, expect } from 'vitest'
import { type Scene, test } from '../support/scene.ts'
import { whyNoStrace } from './crash/strace.ts'

const program = fileURLToPath(new URL('../store/programs/crowds.mjs', import.meta.url))
/** Milliseconds. */
const delay = 200

describe.skipIf(whyNoStrace() !== null)('a crowd of requests', () => {
  test('waits for its flushes', { timeout: 30_000 }, async ({ scene }) => {
    const { quickest } = await crowd(scene, `delay_enter=${delay * 1000}`)
    expect(quickest).toBeGreaterThanOrEqual(delay)
  })

  test('fails with its flush', { timeout: 30_000 }, async ({ scene }) => {
    const { failure } = await crowd(scene, 'error=EIO:when=3+')
    expect(failure).toEqual({ code: 'store_unavailable', message: expect.stringMatching(/flushed.*EIO/) })
  })
})

/** SQLite itself calls fsync(2), so that this reaches the flushes of the thread, and no others. */
async function crowd(scene: Scene, tampering: string): Promise<{ quickest: number; failure: unknown }> {
  const options = [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    'trace=fdatasync',
    '-e',
    `inject=fdatasync:${tampering}`,
  ]
  const traced = scene.bash('exec strace "$@"', [...options, process.execPath, program, scene.state, '3000'])
  const { stdout, stderr } = await traced.exited
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}
