import { openContainment } from '../../containment/open.js'
import { defaultBounds } from '../../runs/bounds.js'
import { type Check, counted, type Finding, type Fix } from '../check.js'
import type { Orphans, Remains } from '../inspection.js'
import { recovery } from './recovery.js'

/** Tools that outlived their run: found by the mark in their environment, by descent, and by who was recorded. */
export const trees: Check = {
  name: 'trees',
  title: 'processes of runs that are over',
  async look(place) {
    const remains = await place.inspector.part('remains')
    const owners = remains.orphans.some(({ isRecoverable }) => isRecoverable)
      ? await place.inspector.part('owners')
      : []
    const findings = remains.orphans.map((orphans) =>
      orphan(orphans, orphans.isRecoverable ? recovery(place, owners) : sweep(orphans)),
    )
    return { says: counted(remains.orphans.length, 'tree'), findings: [...findings, ...strangers(remains)] }
  },
}

function orphan({ run, session, why, processes, path, isGuarded }: Orphans, fix: Fix): Finding {
  const named = processes.slice(0, 5).map(({ pid, name }) => `${pid} (${name})`)
  const more = processes.length > named.length ? ` and ${processes.length - named.length} more` : ''
  const found = `${counted(processes.length, 'process', 'processes')} of run ${run} live on, though ${why}: ${named.join(', ')}${more}`
  const facts = { run, session, path, why, guarded: isGuarded, processes }
  if (isGuarded)
    return {
      severity: 'note',
      found: `${found}; their guard lives`,
      why: 'it gives them their grace, and kills what is left then',
      mends: 'nothing: look again in a quarter of a minute',
      facts,
    }
  return {
    severity: 'error',
    found,
    why: 'they hold ports and memory, and write files under the feet of whoever has the session now',
    mends: 'coppice doctor --fix',
    facts,
    fix,
  }
}

/** Each process is known again by its identity, right before a signal. */
function sweep({ path, run, roots }: Orphans): Fix {
  return async () => {
    const containment = await openContainment(null, () => {})
    try {
      const { grace, killBound } = defaultBounds
      const { killed, survivors } = await containment.sweep({
        run: path,
        roots,
        lastWords: [],
        grace,
        killBound,
      })
      const how = killed === 0 ? 'they ended when they were asked to' : `${killed} had to be killed`
      if (survivors.length === 0) return [`ended what was left of run ${run}: ${how}`]
      return [
        `could not end all that was left of run ${run}: ${survivors.map(({ pid }) => pid).join(', ')} still live`,
      ]
    } finally {
      await containment.close()
    }
  }
}

function strangers({ unknown }: Remains): Finding[] {
  if (unknown.length === 0) return []
  const [first] = unknown
  return [
    {
      severity: 'note',
      found: `processes bear the marks of ${counted(unknown.length, 'run')} that this state does not know, such as ${first}`,
      why: 'they are another state’s, or of a tree without a run; nothing here says whether they are orphans',
      mends: 'run coppice doctor with the --state of the gateway that they belong to',
      facts: { runs: unknown },
    },
  ]
}
