/** P9: many requests at once are told as stored when a flush that began after their commit has ended, and not before. */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStore } from '#src/store/open.js'
import { Committer } from '#src/store/sqlite/committer.js'
import { connect } from '#src/store/sqlite/connection.js'
import { ensureFile } from '#src/store/sqlite/file.js'
import { OpenFiles } from '#src/store/sqlite/open-files.js'
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
  const committer = new Committer(database, named, new OpenFiles(path), { busyTimeout: 10_000 })
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

  it('case 32b: is stored by a checkpoint where its flush fails, and later ones flush with their commit', async () => {
    const { scene, database, path } = await opened('/dev/null')
    await crowd(scene, 50)
    expect(synchronous(database)).toBe(full)
    const rows = new DatabaseSync(path, { readOnly: true })
    onTestFinished(() => rows.close())
    expect(rows.prepare(`SELECT count(*) AS n FROM runs WHERE state = 'succeeded'`).get()).toEqual({
      n: 48 * 50,
    })
  })

  it('case 32b: is told so where neither works, and that all goes well when one does again', async () => {
    const { scene, path } = await opened('/dev/null')
    // Whoever reads keeps a checkpoint from coming to its end.
    const reader = new DatabaseSync(path)
    onTestFinished(() => reader.close())
    reader.exec('BEGIN; SELECT * FROM runs')
    // Its thread may take some of them to begin.
    let failure: unknown
    while (failure === undefined)
      failure = await crowd(scene, 20).then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(failure).toMatchObject({ code: 'store_unavailable', message: expect.stringMatching(/EINVAL/) })
    await expect(scene.hold('while it reads', null)).rejects.toMatchObject({ code: 'store_unavailable' })
    reader.exec('COMMIT')
    await scene.hold('after it has read', null)
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
