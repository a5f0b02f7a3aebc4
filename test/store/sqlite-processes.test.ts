import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStore } from '#src/store/open.js'
import { Lines } from '../support/lines.ts'
import { Scene, temporaryFolder } from './scene.ts'

function start(program: string, ...parameters: string[]) {
  const path = join(import.meta.dirname, 'programs', program)
  const child = spawn(process.execPath, [path, ...parameters], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

describe('case 33, P2, P9: kill -9 of a writer', () => {
  it('leaves every acknowledged run ended, its entry and ending in the transcript, and no half of one', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    for (const [generation, lines] of [1, 40, 600].entries()) {
      const child = start('runs-until-killed.mjs', path, String(generation))
      const told: Array<{ run: string; session: string }> = []
      for await (const line of createInterface({ input: child.stdout })) {
        told.push(JSON.parse(line))
        if (told.length === lines) child.kill('SIGKILL')
      }
      expect(told.length).toBeGreaterThanOrEqual(lines)
      const store = await openStore(path, { create: false })
      for (const session of new Set(told.map((run) => run.session))) {
        const items = await store.transcript(session, { limit: 10_000 })
        const kinds = (run: string) => items.filter((item) => item.run === run).map(({ kind }) => kind)
        for (const { run } of told.filter((each) => each.session === session)) {
          expect(kinds(run)).toEqual(['entry', 'ending'])
        }
        const holder = await store.holder(session)
        const ended = items.filter(({ kind }) => kind === 'ending').map(({ run }) => run)
        expect(ended).not.toContain(holder?.id)
        const all = await store.runs({ session, limit: 10_000 })
        expect(all.filter(({ outcome }) => outcome !== null)).toHaveLength(ended.length)
        expect(all.length - ended.length).toBe(holder === null ? 0 : 1)
      }
      await store.close()
    }
  })
})

describe('a state file that is not there yet', () => {
  it('is opened by all processes that come for it at the same moment, as one file', async () => {
    const folder = await temporaryFolder()
    const names = ['s1', 's2', 's3', 's4', 's5', 's6']
    const openers = names.map((name) => {
      const { stdin, stdout } = start('opens-when-told.mjs', name)
      return { stdin, lines: new Lines(stdout) }
    })
    await Promise.all(openers.map(({ lines }) => lines.after('ready')))
    // The moments that could meet wrongly are short: they do in some of these rounds, not in each.
    for (let round = 0; round < 50; round++) {
      const path = join(folder, `round-${round}`, 'coppice.db')
      for (const { stdin } of openers) stdin.write(`${path}\n`)
      const told = await Promise.all(openers.map(({ lines }) => lines.after(path)))
      expect(told).toEqual(names.map(() => 'open'))
      const store = await openStore(path, { create: false })
      expect((await store.supervisors()).map(({ id }) => id).sort()).toEqual(names)
      await store.close()
    }
  })
})

describe('P1: several processes', () => {
  it('take turns in one session: no run among the entries of another, each fence greater than the last', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    const each = 60
    const children = ['one', 'two', 'three'].map((name) => start('takes-turns.mjs', path, name, String(each)))
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'close'))[0]))
    expect(codes).toEqual([0, 0, 0])
    const store = await openStore(path)
    onTestFinished(() => store.close())
    const items = await store.transcript('shared', {})
    expect(items).toHaveLength(3 * each * 2)
    expect(items.map(({ fence }) => fence)).toEqual(
      Array.from({ length: 3 * each * 2 }, (_, at) => Math.floor(at / 2) + 1),
    )
    for (let at = 0; at < items.length; at += 2) expect(items[at]?.run).toBe(items[at + 1]?.run)
    expect(await store.supervisors()).toEqual([])
  })
})

describe('case 32: a database that another program has locked', () => {
  async function locked(busyTimeout: number) {
    const path = join(await temporaryFolder(), 'coppice.db')
    const scene = new Scene(await openStore(path, { busyTimeout }), path)
    onTestFinished(() => scene.store.close())
    await scene.supervisor('s1')
    const hold = await scene.hold('a', 'k')
    const other = new DatabaseSync(path)
    onTestFinished(() => other.close())
    other.exec('BEGIN EXCLUSIVE')
    return { path, scene, hold, other }
  }

  it('holds up writes, not reads, and lets them go on when it is free', async () => {
    const { scene, hold, other } = await locked(10_000)
    const settled: string[] = []
    const writes = ['append', 'renew'].map((name) =>
      (name === 'append' ? scene.append(hold, 0, 'patient') : scene.store.renew('s1', 1, null)).then(() => {
        settled.push(name)
      }),
    )
    for (let count = 0; count < 100; count++) await turn()
    expect(await scene.stateOf('a')).toBe('running')
    expect(settled).toEqual([])
    other.exec('COMMIT')
    await Promise.all(writes)
    expect(await scene.store.transcript('k', {})).toMatchObject([{ entry: 'patient' }])
  })

  it('is told by name after the bound, and the same write can be repeated', async () => {
    const { path, scene, hold, other } = await locked(30)
    const refused = await scene.append(hold, 0, 'once').catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'store_unavailable',
      path,
      message: expect.stringContaining('is locked'),
    })
    other.exec('COMMIT')
    await scene.append(hold, 0, 'once')
    expect(await scene.store.transcript('k', {})).toHaveLength(1)
  })
})
