import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { Worker } from 'node:worker_threads'

/**
 * tree-kill, kept from doing harm. It starts a `ps` for every process, collects bare pids and signals them when
 * the last `ps` has answered; a `ps` that cannot be started is an 'error' event that nobody listens to, which
 * would end the program. So it runs in a thread of its own, whose failure is only a message and whose end takes
 * the collected pids with it; and it is for trees that are small and stopped, whose pids cannot pass on meanwhile.
 */
export interface TreeKill {
  /** The largest tree that is worth a `ps` for each process. */
  readonly limit: number
  /** SIGKILL for the process and its descendants. Resolves when it is done, has failed, took too long or is busy. */
  kill(pid: number): Promise<void>
  close(): Promise<void>
}

const timeLimit = 1000

/** Null where there is no `ps`, without which tree-kill cannot work; on Windows it uses the system's taskkill. */
export async function openTreeKill(): Promise<TreeKill | null> {
  if (process.platform !== 'win32' && !(await isOnPath('ps'))) return null
  let worker: Worker | null = null
  let isBusy = false

  return {
    limit: 16,
    async kill(pid) {
      if (isBusy) return
      isBusy = true
      worker ??= startWorker()
      if (!(await answers(worker, pid))) {
        await worker.terminate()
        worker = null
      }
      isBusy = false
    },
    async close() {
      await worker?.terminate()
    },
  }
}

function startWorker(): Worker {
  const worker = new Worker(new URL('./tree-kill-worker.js', import.meta.url))
  worker.unref()
  worker.on('error', () => {})
  return worker
}

function answers(worker: Worker, pid: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (answered: boolean) => {
      clearTimeout(timer)
      worker.off('message', onMessage).off('exit', onExit)
      resolve(answered)
    }
    const onMessage = () => settle(true)
    const onExit = () => settle(false)
    const timer = setTimeout(settle, timeLimit, false)
    worker.on('message', onMessage).on('exit', onExit)
    worker.postMessage(pid)
  })
}

async function isOnPath(command: string): Promise<boolean> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const found = await Promise.allSettled(
    folders.map((folder) => access(join(folder, command), constants.X_OK)),
  )
  return found.some(({ status }) => status === 'fulfilled')
}
