import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { processTable } from '../processes/processes.js'
import type { ProcessEntry } from '../processes/table.js'

/** What became of an orphan that was made to see it. */
export interface Reaping {
  /** Who it fell to: PID 1, or a nearer subreaper. */
  readonly reaper: { readonly pid: number; readonly name: string }
  readonly isReaped: boolean
  /** Of the reaper's other children: those that have exited and are not reaped either. */
  readonly zombies: number
  /** Milliseconds that were waited for, once it had exited. */
  readonly waitedMs: number
}

const interval = 20

/**
 * Makes an orphan that exits, and sees whether somebody reaps it. An init may take its time about that: one that is an
 * init beyond doubt gets `patience` milliseconds, any other until `bound`. Null where there are no orphans of this kind, or none was seen.
 */
export async function observeReaping(patience: number, bound: number): Promise<Reaping | null> {
  if (process.platform !== 'linux') return null
  const began = performance.now()
  const table = await processTable()
  const pid = await makeOrphan()
  let fell: ProcessEntry | null = null
  // Until then its reaper cannot have done anything: on a busy machine it is not there yet.
  let since = began
  for (;;) {
    const processes = await table.list()
    const orphan = processes.find((one) => one.pid === pid)
    // It has a parent of its own until the shell that started it has exited.
    if (orphan?.state === 'zombie') {
      if (fell === null) since = performance.now()
      fell = orphan
    }
    const waitedMs = Math.round(performance.now() - since)
    const reaper = processes.find((one) => one.pid === (fell?.ppid ?? 1))
    const zombies = processes.filter(
      (one) => one.state === 'zombie' && one.pid !== pid && one.ppid === (reaper?.pid ?? 1),
    )
    const found = {
      reaper: { pid: reaper?.pid ?? 1, name: reaper?.name ?? '' },
      zombies: zombies.length,
      waitedMs,
    }
    if (orphan === undefined) return { ...found, isReaped: true }
    const isOver = performance.now() - began >= bound
    if (fell === null) {
      if (isOver) return null
    } else {
      const limit = (await isSuspect(found.reaper.pid, zombies.length)) ? bound : patience
      // One that fell late gets its patience all the same.
      if (waitedMs >= limit || (isOver && waitedMs >= patience)) return { ...found, isReaped: false }
    }
    await delay(interval)
  }
}

/** Where it has left this many to rot, it is not only slow. */
export const manyZombies = 1_000

/** Programs that are run for what they do, and become PID 1 of a container where nothing else is put before them. */
const programs = /^(node|bun|deno|python[\d.]*|ruby|perl|java|(ba|da|z|a|k)?sh|busybox|tail|sleep|coppice)$/

/** By what it was started as: its name it may have changed. */
export async function isOrdinaryProgram(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const [command = ''] = commandLine.split('\0')
  return programs.test(command.slice(command.lastIndexOf('/') + 1))
}

async function isSuspect(reaper: number, zombies: number): Promise<boolean> {
  return zombies >= manyZombies || (await isOrdinaryProgram(reaper))
}

/** A shell that exits at once, and what it started a moment later. */
async function makeOrphan(): Promise<number> {
  const shell = spawn('/bin/sh', ['-c', 'sleep 0.03 & echo $!'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  shell.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  // The orphan has the pipe as well: its end would be no sooner than that.
  await once(shell, 'exit')
  while (!text.includes('\n') && shell.stdout.readable) await once(shell.stdout, 'data')
  shell.stdout.destroy()
  return Number(text)
}
