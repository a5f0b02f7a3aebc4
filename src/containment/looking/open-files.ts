import { readdirSync, statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** So many processes are looked through in a row. */
const slice = 64

/**
 * Which of these files is open in a process that lives, by inode: the number of one that has it. As far as can be seen:
 * other users' descriptors are hidden from all but root, and where there is no /proc nothing is.
 */
export async function openersOf(
  files: ReadonlyArray<{ readonly dev: number; readonly ino: number }>,
): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  if (process.platform !== 'linux' || files.length === 0) return found
  const wanted = new Set(files.map(({ dev, ino }) => `${dev} ${ino}`))
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  for (const [index, pid] of pids.entries()) {
    if (index % slice === slice - 1) await nextTurn()
    for (const name of namesIn(`/proc/${pid}/fd`)) {
      const open = statOf(`/proc/${pid}/fd/${name}`)
      if (open !== null && wanted.has(`${open.dev} ${open.ino}`)) found.set(open.ino, Number(pid))
    }
  }
  return found
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Follows to the open file itself, which needs no name any more. */
function statOf(path: string): { readonly dev: number; readonly ino: number } | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}
