import { type Marked, remainsOf } from '../../containment/looking/strays.js'
import { conditionOf } from '../../containment/processes/condition.js'
import type { Identity } from '../../identity.js'
import type { StoreInspection } from '../../store/inspection.js'
import type { StoredRun } from '../../store/records.js'
import type { Orphans, Remains } from '../inspection.js'

type Suspect = Omit<Orphans, 'processes' | 'isGuarded'>

/**
 * What lives and should not: trees of runs that have ended, or whose owner is dead, by their mark and by the roots that
 * were recorded; and those who outlived the kill of their run.
 */
export async function findRemains(
  store: StoreInspection,
  marked: readonly Marked[],
  isDead: (supervisor: string) => boolean,
): Promise<Remains> {
  const ofDead = store.live.filter(({ run }) => run.state !== 'waiting' && isDead(run.supervisor.id))
  const suspects = new Map<string, Suspect>()
  for (const { run, trees } of ofDead)
    suspects.set(
      run.id,
      recoverable(
        run,
        trees.map(({ root }) => root),
      ),
    )
  const unknown: string[] = []
  for (const { path, isGuarded } of marked) {
    const known = path.split('/').flatMap((id) => knownRun(store, id))
    const over = store.ended.find(({ id }) => known.includes(id))
    if (over !== undefined && !suspects.has(over.id)) suspects.set(over.id, ended(over, path))
    if (known.length === 0 && !isGuarded) unknown.push(path)
  }
  const survivors = await livingSurvivors(store)
  const isSurvivor = (pid: number) => survivors.some(({ process }) => process.pid === pid)
  const orphans = await Promise.all(
    [...suspects.values()].map(async (suspect) => {
      const { processes, isGuarded } = await remainsOf(suspect.path, suspect.roots)
      const others = processes.filter(({ pid }) => !isSurvivor(pid))
      return {
        ...suspect,
        isGuarded,
        processes: others.map(({ pid, startTime, name }) => ({ pid, startTime, name })),
      }
    }),
  )
  return { orphans: orphans.filter(({ processes }) => processes.length > 0), unknown, survivors }
}

function knownRun(store: StoreInspection, id: string): string[] {
  const isKnown = store.ended.some((run) => run.id === id) || store.live.some(({ run }) => run.id === id)
  return isKnown ? [id] : []
}

function recoverable(run: StoredRun, roots: readonly Identity[]): Suspect {
  const why = `its supervisor, pid ${run.supervisor.identity.pid}, is gone`
  return { path: run.id, run: run.id, session: run.session, why, isRecoverable: true, roots }
}

/** The mark up to the run that is over: what is in it ends with it. */
function ended(run: StoredRun, path: string): Suspect {
  const steps = path.split('/')
  return {
    path: steps.slice(0, steps.indexOf(run.id) + 1).join('/'),
    run: run.id,
    session: run.session,
    why: `it ended as ${run.state}`,
    isRecoverable: false,
    roots: [],
  }
}

async function livingSurvivors(store: StoreInspection): Promise<Remains['survivors']> {
  const conditions = await Promise.all(store.survivors.map(({ process }) => conditionOf(process)))
  return store.survivors.filter((_, at) => conditions[at] === 'alive' || conditions[at] === 'stopped')
}
