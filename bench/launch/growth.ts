import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { exec } from 'coppice/exec'
import { eventually } from '../../test/support/eventually.ts'

/** What a host could run out of. */
export interface Held {
  readonly descriptors: number
  readonly launcherDescriptors: number
  readonly processes: number
  readonly files: number
  /** Of the whole machine: others may make and remove theirs meanwhile. */
  readonly cgroups: number
}

/** How much more is held after this many trees, one after another, of which every tenth belongs to a run. */
export async function growth(trees: number): Promise<Held> {
  const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
  const supervisor = await openSupervisor({ state: join(folder, 'coppice.db'), runtimeDir: folder })
  try {
    return await supervisor.run({}, async (run) => {
      await Promise.all([exec('true'), run.exec('true')])
      const before = held(folder)
      for (let tree = 0; tree < trees; tree++) {
        if (tree % 10 === 0) await run.exec('true')
        else await exec('true')
      }
      const after = await heldInTheEnd(folder, before.processes)
      const names = Object.keys(before) as Array<keyof Held>
      return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as Held
    })
  } finally {
    await supervisor.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The last tree has been told as empty, and its guard may be on its way out; a second is far more than that takes. */
async function heldInTheEnd(folder: string, processes: number): Promise<Held> {
  await eventually(() => held(folder).processes <= processes, { within: 1_000 }).catch(() => {})
  return held(folder)
}

function held(folder: string): Held {
  const ours = descendants()
  const launchers = ours.filter((pid) => nameOf(pid).startsWith('coppice-launch'))
  return {
    descriptors: entriesOf('/proc/self/fd'),
    launcherDescriptors: launchers.reduce((sum, pid) => sum + entriesOf(`/proc/${pid}/fd`), 0),
    processes: ours.length,
    files: readdirSync(folder, { recursive: true }).length,
    cgroups: foldersBelow('/sys/fs/cgroup'),
  }
}

/** A zombie counts: it holds its number. */
function descendants(): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0)
      .map((pid) => [pid, parentOf(pid)]),
  )
  const isOurs = (pid: number): boolean => {
    const parent = parents.get(pid) ?? 0
    return parent === process.pid || (parent > 1 && isOurs(parent))
  }
  return [...parents.keys()].filter(isOurs)
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0)
}

function nameOf(pid: number): string {
  return textOf(`/proc/${pid}/comm`)
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function entriesOf(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}

function foldersBelow(folder: string): number {
  try {
    const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    return folders.reduce((sum, { name }) => sum + 1 + foldersBelow(`${folder}/${name}`), 0)
  } catch {
    return 0
  }
}
