/** What happens to requests that share a commit when it, or one of them, fails. */
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { takeBatch } from '#src/store/sqlite/batch.js'
import { Committer } from '#src/store/sqlite/committer.js'
import { connect } from '#src/store/sqlite/connection.js'
import { ensureFile } from '#src/store/sqlite/file.js'
import { OpenFiles } from '#src/store/sqlite/open-files.js'
import { SqliteStore } from '#src/store/sqlite/store.js'
import { Scene, temporaryFolder } from './scene.ts'

/** A store whose connection the test can reach. */
async function opened(): Promise<{
  scene: Scene
  committer: Committer
  database: DatabaseSync
  path: string
}> {
  const path = join(await temporaryFolder(), 'coppice.db')
  await ensureFile(path, true)
  const database = connect(path)
  const committer = new Committer(database, path, new OpenFiles(path), { busyTimeout: 10_000 })
  const scene = new Scene(new SqliteStore(path, database, committer), path)
  onTestFinished(() => scene.store.close())
  await scene.supervisor('s1')
  return { scene, committer, database, path }
}

describe('case 32b: a disk that fills up in the middle of a shared commit', () => {
  it('fails who does not fit, by name, and nobody else; all goes on when there is room', async () => {
    const { scene, database, path } = await opened()
    const hold = await scene.hold('a', 'k')
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number }
    database.exec(`PRAGMA max_page_count = ${pages + 4}`)
    const large = 'x'.repeat(1_000_000)
    const [before, tooLarge, after] = await Promise.allSettled([
      scene.append(hold, 0, 'before'),
      scene.append(hold, 1, large),
      scene.append(hold, 2, 'after'),
    ])
    expect([before?.status, after?.status]).toEqual(['fulfilled', 'fulfilled'])
    expect(tooLarge).toMatchObject({ reason: { code: 'store_unavailable', path } })
    expect(String(tooLarge?.status === 'rejected' && tooLarge.reason)).toMatch(/disk or quota is full/)
    expect(await scene.store.transcript('k', {})).toMatchObject([{ entry: 'before' }, { entry: 'after' }])
    database.exec('PRAGMA max_page_count = 1000000')
    await scene.append(hold, 1, large)
    expect(await scene.store.transcript('k', {})).toHaveLength(3)
  })
})

describe('case 32b: a commit that fails', () => {
  it('is rolled back and made again one by one, so that one request fails', async () => {
    const { scene, committer, database } = await opened()
    const hold = await scene.hold('a', 'k')
    const commits: string[] = []
    const broken = committer.write({
      lane: 'broken',
      write: () => {
        commits.push('tried')
        // A violation that SQLite finds at COMMIT and not before.
        database.exec('PRAGMA defer_foreign_keys = ON; INSERT INTO drafts (run, body) VALUES (999, 1)')
      },
    })
    const settled = await Promise.allSettled([
      scene.append(hold, 0, 'before'),
      broken,
      scene.append(hold, 1, 'after'),
      scene.finish(hold),
    ])
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(commits).toEqual(['tried', 'tried'])
    expect(database.prepare('SELECT count(*) AS n FROM drafts').get()).toEqual({ n: 0 })
    expect((await scene.store.transcript('k', {})).map(({ kind }) => kind)).toEqual([
      'entry',
      'entry',
      'ending',
    ])
  })
})

describe('a patient write', () => {
  it('goes with the next commit that somebody needs, and by itself where there is none', async () => {
    const { committer } = await opened()
    const order: string[] = []
    const write = (lane: string, patient: boolean) =>
      committer
        .write({ lane, patient, write: () => order.push(lane) })
        .then(() => order.push(`${lane} answered`))
    // After 25 ms it goes by itself: a look that came so late is none.
    for (let isInTime = false; !isInTime; ) {
      order.length = 0
      const begun = performance.now()
      const rides = write('rides', true)
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      isInTime = performance.now() - begun < 20
      if (isInTime) expect(order).toEqual([])
      await Promise.all([write('needed', false), rides])
    }
    expect(order).toEqual(['rides', 'needed', 'rides answered', 'needed answered'])
    await write('alone', true)
    expect(order.slice(4)).toEqual(['alone', 'alone answered'])
  })

  it('is not left behind by a close', async () => {
    const { scene, committer } = await opened()
    const written = committer.write({ lane: 'last', patient: true, write: () => 'written' })
    await scene.store.close()
    expect(await written).toBe('written')
  })
})

describe('P7: what shares the next commit', () => {
  const request = fc.record({
    lane: fc.constantFrom('a', 'b', 'c'),
    urgent: fc.boolean(),
    bytes: fc.constantFrom(0, 1_000_000, 3_000_000, 9_000_000),
  })

  it('loses nothing, is bounded, keeps the order within a lane, and is never empty', () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 30 }), (pending) => {
        const { batch, rest } = takeBatch(pending)
        expect(batch.length).toBeGreaterThan(0)
        expect(new Set([...batch, ...rest])).toEqual(new Set(pending))
        const bytes = batch.reduce((sum, each) => sum + each.bytes, 0)
        if (batch.length > 1) expect(bytes).toBeLessThanOrEqual(4 * 1024 * 1024)
        for (const lane of ['a', 'b', 'c']) {
          const of = (list: typeof pending) => list.filter((each) => each.lane === lane)
          expect([...of(batch), ...of(rest)]).toEqual(of(pending))
        }
      }),
    )
  })

  it('takes renewals and endings before the flood of another session, and one of each lane in turn', () => {
    const flood = Array.from({ length: 5_000 }, () => ({ lane: 'flood', urgent: false, bytes: 0 }))
    const quiet = { lane: 'quiet', urgent: false, bytes: 0 }
    const entry = { lane: 'ending', urgent: false, bytes: 0 }
    const finish = { lane: 'ending', urgent: true, bytes: 0 }
    const renewal = { lane: 'supervisor', urgent: true, bytes: 0 }
    const { batch } = takeBatch([...flood, quiet, entry, finish, renewal])
    for (const each of [quiet, entry, finish, renewal]) expect(batch).toContain(each)
    expect(batch.indexOf(entry)).toBeLessThan(batch.indexOf(finish))
  })
})
