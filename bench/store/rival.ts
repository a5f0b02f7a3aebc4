/**
 * proper-lockfile as its README uses it, on a session's file that is there, with its own defaults: a folder beside
 * the file is made and removed. It records nothing, and nothing of it is flushed to the disk.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import lockfile from 'proper-lockfile'
import type { Round } from './cycles.ts'

export async function lockAndUnlock(folder: string, sessions: number, duration: number): Promise<Round> {
  await mkdir(folder, { recursive: true })
  const begun = performance.now()
  const end = begun + duration
  let cycles = 0
  await Promise.all(
    Array.from({ length: sessions }, async (_, at) => {
      const file = join(folder, `session-${at}`)
      await writeFile(file, '')
      while (performance.now() < end) {
        const release = await lockfile.lock(file)
        await release()
        cycles++
      }
    }),
  )
  return { cycles, ms: performance.now() - begun }
}
