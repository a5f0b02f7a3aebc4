/** P9: many requests at once are told as stored when a flush that began after their commit has ended, and not before. */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStore } from '#src/store/open.js'
import { Committer } from '#src/store/sqlite/committer.js'
import { connect } from '#src/store/sqlite/connection.js'
import { checkOf, ensureFile } from '#src/store/sqlite/file.js'
import { SqliteStore } from '#src/store/sqlite/store.js'
import { WalFlusher } from '#src/store/sqlite/wal-flusher.js'
import { Scene, temporaryFolder } from './scene.ts'

/** A store, and its connection. The WAL that is flushed may be another file than the one that is written. */
async function opened(wal?: string): Promise<{ scene: Scene; database: DatabaseSync; path: string }> {
  const folder = await temporaryFolder()
  const path = join(folder, 'coppice.db')
  await ensureFile(path, true)
  const database = connect(path)
  const named = wal === undefined ? path : join(folder, 'other')
  if (wal !== undefined) await symlink(wal, `${named}-wal`)
  const committer = new Committer(database, named, checkOf(path), { busyTimeout: 10_000 })
  const scene = new Scene(new SqliteStore(named, database, committer), path)
  onTestFinished(() => scene.store.close())
  await scene.supervisor('s1')
  return { scene, database, path }
}

let runs = 0

/** Runs one after another in each of many sessions. */
async function crowd(scene: Scene, turns: number): Promise<void> {
  const sessions = Array.from({ length: 48 }, (_, at) => `session ${at}`)
  await Promise.all(
    sessions.map(async (session) => {
      for (let turn = 0; turn < turns; turn++) {
        const hold = await scene.hold(`run ${++runs}`, session)
        await scene.finish(hold)
      }
    }),
  )
}

const full = 2
const normal = 1
const synchronous = (database: DatabaseSync) => database.prepare('PRAGMA synchronous').get()?.synchronous

describe('a crowd of requests', () => {
  it('flushes in a thread of its own, and a few flush with their commit', async () => {
    const { scene, database, path } = await opened()
    await crowd(scene, 2)
    expect(synchronous(database)).toBe(full)
    await crowd(scene, 200)
    expect(synchronous(database)).toBe(normal)
    await scene.store.close()
    const store = await openStore(path, { create: false })
    onTestFinished(() => store.close())
    expect(await store.runs({ state: 'succeeded', limit: 100_000 })).toHaveLength(48 * 202)
  })

  it('is answered before the store closes', async () => {
    const { scene, database } = await opened()
    while (synchronous(database) === full) await crowd(scene, 20)
    const last = Array.from({ length: 100 }, (_, at) => scene.hold(`last ${at}`, null))
    const [answers] = await Promise.all([Promise.all(last), scene.store.close()])
    expect(answers).toHaveLength(100)
  })

  it('is told that nothing is stored where the flush fails', async () => {
    const { scene, database } = await opened('/dev/null')
    const failure = await crowd(scene, 2_000).catch((error) => error)
    expect(failure).toMatchObject({ code: 'store_unavailable', message: expect.stringMatching(/EINVAL/) })
    expect(synchronous(database)).toBe(normal)
  })
})

describe('a flush', () => {
  it('that cannot be made is the failure of who ordered it', async () => {
    // No file system: fdatasync(2) refuses it.
    const flusher = await WalFlusher.start('/dev/null')
    onTestFinished(() => flusher.close())
    await expect(flusher.flush()).rejects.toThrow(/EINVAL/)
    await expect(flusher.flush()).rejects.toThrow(/EINVAL/)
  })

  it('of a file that is not there is refused at the start', async () => {
    await expect(WalFlusher.start(join(await temporaryFolder(), 'none'))).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })
})
