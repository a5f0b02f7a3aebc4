import { formatSize } from '../../sizes.js'
import type { Check, Finding, Seen } from '../check.js'
import type { StateFiles, Trouble } from '../inspection.js'
import { NotTold } from '../inspector.js'

/** Whether the state can be read, is ours, and is whole. */
export const database: Check = {
  name: 'database',
  title: 'the state file',
  async look({ inspector, task }) {
    const told = await Promise.all([inspector.part('files'), inspector.part('store')]).catch((error) => {
      if (error instanceof NotTold) return error
      throw error
    })
    if (told instanceof NotTold) return silent(task.location, told)
    const [files, store] = told
    if (!files.exists) return { says: `there is none yet at ${files.location}`, findings: [] }
    if (store.trouble !== null)
      return { says: 'it cannot be read', findings: [unreadable(files, store.trouble)] }
    const bytes = files.files[0]?.bytes ?? 0
    const what = `schema ${store.schema}, ${formatMegabytes(bytes)}`
    const integrity = await inspector.part('integrity').catch(() => null)
    // A file of gigabytes takes longer than anybody waits here.
    if (integrity === null) return { says: `${what}, too large to be read through here`, findings: [] }
    const problems = integrity.trouble === null ? integrity.problems : [integrity.trouble.message]
    return problems.length === 0
      ? { says: `${what}, whole`, findings: [] }
      : { says: `${what}, damaged`, findings: [damaged(files, problems)] }
  },
}

function silent(location: string, { isHung, message }: NotTold): Seen {
  const found = isHung
    ? `the state at ${location} does not answer: ${message}`
    : `the state at ${location} could not be looked at: ${message}`
  const finding: Finding = {
    severity: 'error',
    found,
    why: 'every run waits for the state: none begins, ends or gives up its session while it hangs',
    mends:
      'see to the disk, mount or network share that it is on; whatever holds a lease or a lock on the file lets go when it ends',
    facts: { location, hung: isHung, message },
  }
  return { says: 'it does not answer', findings: [finding] }
}

function unreadable({ location }: StateFiles, { code, message }: Trouble): Finding {
  return {
    severity: 'error',
    found: message,
    why: 'no supervisor can open it, so no run begins',
    mends:
      code === 'store_too_new'
        ? 'install the coppice that wrote it, or a later one'
        : 'end what has it locked, put a backup in its place, or name another file with --state',
    facts: { location, code },
  }
}

function damaged({ location }: StateFiles, problems: readonly string[]): Finding {
  return {
    severity: 'error',
    found: `the state at ${location} is damaged: ${problems[0]}`,
    why: 'what it says of runs, locks and endings can be wrong, and writes may fail',
    mends: `stop every supervisor of it, then put a backup in its place, or rescue what can be read: sqlite3 ${location} .recover`,
    facts: { location, problems },
  }
}

function formatMegabytes(bytes: number): string {
  return bytes < 1024 * 1024
    ? formatSize(Math.ceil(bytes / 1024) * 1024)
    : `${(bytes / 1024 / 1024).toFixed(1)}MB`
}
