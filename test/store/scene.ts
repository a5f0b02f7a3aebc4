/** What the store's tests are told in: supervisors, runs and their endings, with what each test does not care for. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { Admission } from '#src/store/admission-contract.js'
import type { Store } from '#src/store/contract.js'
import type { EndingRecord, Finished } from '#src/store/ending-contract.js'
import type { Hold, Stop, SupervisorRecord, TreeLaunched } from '#src/store/records.js'

/** Opens a store; twice with the same folder, the same one for two supervisors. */
export type OpenStore = (folder: string) => Promise<Store>

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coppice-store-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Some moment; the store has no clock of its own. */
export const noon = Date.UTC(2026, 0, 1, 12)
export const ttl = 30_000

export class Scene {
  readonly store: Store
  readonly folder: string
  #count = 0

  constructor(store: Store, folder: string) {
    this.store = store
    this.folder = folder
  }

  static async of(open: OpenStore): Promise<Scene> {
    const folder = await temporaryFolder()
    const scene = new Scene(await open(folder), folder)
    onTestFinished(() => scene.store.close())
    await scene.supervisor('s1')
    return scene
  }

  /** Another process's view of the same store. */
  async beside(open: OpenStore, supervisor: string): Promise<Scene> {
    const scene = new Scene(await open(this.folder), this.folder)
    onTestFinished(() => scene.store.close())
    await scene.supervisor(supervisor)
    return scene
  }

  async supervisor(id: string, over: Partial<SupervisorRecord> = {}): Promise<SupervisorRecord> {
    const record = supervisorNamed(id, over)
    await this.store.register(record)
    return record
  }

  admit(run: string, session: string | null, over: Partial<Admission> = {}): ReturnType<Store['admit']> {
    return this.store.admit(admission(run, session, over))
  }

  /** Starts a run that has to be admitted at once. */
  async hold(run: string, session: string | null, over: Partial<Admission> = {}): Promise<Hold> {
    const answer = await this.admit(run, session, over)
    expect(answer.state).toBe('running')
    return { run, supervisor: over.supervisor ?? 's1', fence: 'fence' in answer ? answer.fence : Number.NaN }
  }

  finish(hold: Hold, over: Partial<EndingRecord> = {}): Promise<Finished> {
    return this.store.finishIfHeld(hold, ending(over))
  }

  /** A whole run, of which a test only wants that it was there. */
  async pass(session: string, entries: readonly unknown[] = []): Promise<Hold> {
    const hold = await this.hold(`pass-${++this.#count}`, session)
    for (const [index, entry] of entries.entries()) await this.append(hold, index, entry)
    await this.finish(hold)
    return hold
  }

  append(hold: Hold, index: number, entry: unknown): Promise<string> {
    return this.store.append(hold, { index, body: JSON.stringify(entry), at: noon })
  }

  async stateOf(run: string): Promise<string | undefined> {
    return (await this.store.run(run))?.state
  }
}

export function supervisorNamed(id: string, over: Partial<SupervisorRecord> = {}): SupervisorRecord {
  const identity = { pid: 4242, startTime: '77', bootId: 'boot', pidNamespace: 'pid:[1]' }
  return {
    id,
    host: 'here',
    identity,
    socket: `/run/${id}`,
    startedAt: noon,
    renewedAt: noon,
    ttl,
    blockedSince: null,
    ...over,
  }
}

export function admission(run: string, session: string | null, over: Partial<Admission> = {}): Admission {
  return {
    run,
    supervisor: 's1',
    session,
    parent: null,
    request: null,
    priority: 'interactive',
    interrupts: false,
    maxWaiters: 1_000,
    mostWaiting: null,
    breaker: null,
    labels: null,
    maxTries: 3,
    begins: true,
    delivers: false,
    tells: false,
    at: noon,
    ...over,
  }
}

export function ending(over: Partial<EndingRecord> = {}): EndingRecord {
  return {
    cause: 'returned',
    message: null,
    forced: false,
    callback: 'settled',
    trees: 0,
    tree: null,
    error: null,
    begun: true,
    through: [],
    telling: null,
    at: noon + 5_000,
    ...over,
  }
}

export function stop(over: Partial<Stop> = {}): Stop {
  return { cause: 'cancelled', message: 'the user left', grace: null, ...over }
}

export function tree(name: string, over: Partial<TreeLaunched> = {}): TreeLaunched {
  const root = { pid: 99, startTime: '5', bootId: 'boot', pidNamespace: 'pid:[1]' }
  return { tree: name, command: '["npm","test"]', containment: 'guard', root, at: noon, ...over }
}

/** The error's code, where a promise is refused with one. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof Error && 'code' in error ? error.code : error
}
