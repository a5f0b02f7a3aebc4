import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { againIfUnknown } from './unknown.ts'

const helper = fileURLToPath(new URL('../../native-helpers/build/coppice-job.exe', import.meta.url))

export interface Seen {
  readonly pid: number
  readonly parent: number
  readonly startTime: string
  readonly name: string
  /** Those whose name begins with COPPICE_. */
  readonly variables: readonly string[]
}

/** The living of these numbers, or all, without the process that looks. */
export function look(pids: readonly number[]): Seen[] {
  const args = ['--variables', ...pids.map(String)]
  const looking = againIfUnknown(() => spawnSync(helper, args, { encoding: 'utf8' }))
  if (looking.status !== 0) throw looking.error ?? new Error(`it cannot be looked: ${looking.stderr}`)
  return looking.stdout.split(/\r?\n/).flatMap((line) => {
    const [pid, parent, startTime = '', name = '', ...variables] = line.split('\t')
    if (startTime === '' || Number(pid) === looking.pid) return []
    return [{ pid: Number(pid), parent: Number(parent), startTime, name, variables }]
  })
}
