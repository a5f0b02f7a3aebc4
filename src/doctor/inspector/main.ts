import { writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { cleanRuntimeFolder, leftInRuntimeFolder } from '../../supervisor/keeper/runtime-folder.js'
import type { Inspection, Task, Tell } from '../inspection.js'
import { inspectLocks, removeDeadLocks } from '../lock-files/lock-folder.js'
import { checkpoint, inspectFiles, modeOf, restrict } from './files.js'
import { inspectState } from './state.js'
import { troubleOf } from './trouble.js'

/**
 * The inspector: touches every file that a doctor asks about, in a process of its own that is left behind where a file
 * system hangs. Each part is a line on stdout. What is asked of it stands in its argument as JSON.
 */

const task = JSON.parse(process.argv[2] ?? '') as Task

const tell: Tell = (name, value) => {
  // Synchronously: what is told before a call that hangs has been told.
  writeSync(1, `${JSON.stringify({ name, value })}\n`)
}

const tasks: Record<Task['what'], () => Promise<void>> = {
  async inspect() {
    // Trouble with one is none of the other's.
    const ends = await Promise.allSettled([inspectRuntime(), inspectState(task, tell)])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  },
  async clean() {
    tell('runtime', { path: task.runtimeDir, mode: null, left: await cleanRuntimeFolder(task.runtimeDir) })
  },
  async restrict() {
    await restrict(task)
    tell('files', await inspectFiles(task))
  },
  async checkpoint() {
    await checkpoint(task)
    tell('files', await inspectFiles(task))
  },
  async lockFiles() {
    await withLocks(async (folder) => ({ locks: await inspectLocks(folder), removed: [] }))
  },
  async unlock() {
    await withLocks(async (folder) => {
      const removed = await removeDeadLocks(folder)
      return { locks: await inspectLocks(folder), removed }
    })
  },
}

tell('begun', null)
await tasks[task.what]()

async function inspectRuntime(): Promise<void> {
  const path = task.runtimeDir
  const mode = await modeOf(path)
  tell('runtime', { path, mode, left: mode === null ? [] : await leftInRuntimeFolder(path) })
}

async function withLocks(
  look: (folder: string) => Promise<Omit<Inspection['lockFiles'], 'trouble'>>,
): Promise<void> {
  const folder = resolve(task.lockFiles ?? '')
  try {
    tell('lockFiles', { trouble: null, ...(await look(folder)) })
  } catch (error) {
    tell('lockFiles', { trouble: troubleOf(error), locks: [], removed: [] })
  }
}
