import { readFileSync } from 'node:fs'
import { exec } from 'coppice/exec'

/**
 * Kilobytes of a guard's own (proportional set size), with this many trees alive: the more, the less is each one's
 * share of the launcher's pages. Null where it cannot be read: a guard is closed to whoever is not root.
 */
export async function guardMemory(trees: number): Promise<number[] | null> {
  const handles = Array.from({ length: trees }, () => exec('sleep', ['1000'], { stdio: 'ignore' }))
  try {
    const roots = await Promise.all(handles.map(({ pid }) => pid))
    return roots.map((root) => proportionalOf(parentOf(root)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null
    throw error
  } finally {
    await Promise.all(handles.map((handle) => handle.cancel({ grace: 0 })))
  }
}

function proportionalOf(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
  return Number(kilobytes)
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
