import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { exec } from 'coppice/exec'
import { runtimeDirectory } from '#src/containment/processes/directories.js'

/** What a host could run out of. */
export interface Held {
  readonly descriptors: number
  readonly launcherDescriptors: number
  readonly processes: number
  readonly files: number
  readonly cgroups: number
}

/** How much more is held after this many trees, one after another. */
export async function growth(trees: number): Promise<Held> {
  await exec('true')
  const before = held()
  for (let tree = 0; tree < trees; tree++) await exec('true')
  const after = held()
  const names = Object.keys(before) as Array<keyof Held>
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as Held
}

function held(): Held {
  const ours = descendants()
  const launcher = ours.find((pid) => nameOf(pid).startsWith('coppice-launch'))
  return {
    descriptors: entriesOf('/proc/self/fd'),
    launcherDescriptors: launcher === undefined ? 0 : entriesOf(`/proc/${launcher}/fd`),
    processes: ours.length,
    files: entriesOf(runtimeDirectory(process.env)) + entriesOf(tmpdir()),
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
