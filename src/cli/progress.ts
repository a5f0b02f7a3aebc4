import type { WriteStream } from 'node:tty'
import type { Outcome } from '../runs/outcome.js'
import type { RunHandle } from '../supervisor/host/run-faces.js'
import type { Supervisor } from '../supervisor/host/supervisor.js'
import { age, duration, printable } from './printing.js'

/** Milliseconds after which a person wonders what they wait for. */
const patience = 1000

/**
 * Says on a terminal what a person waits for: after a second without the session, who has it and at which place the run
 * waits; after a second of its grace, how much of that is left. Nothing where stderr is no terminal.
 */
export function tellProgress(supervisor: Supervisor, handle: RunHandle<unknown>): { stop(): void } {
  const stream = process.stderr
  if (!stream.isTTY) return { stop() {} }
  const waiting = setTimeout(() => {
    if (handle.state === 'waiting') void tellWait(supervisor, handle, stream).catch(() => {})
  }, patience)
  let counting: NodeJS.Timeout | null = null
  const stopping = ({ run, to }: { readonly run: string; readonly to: Outcome['state'] | string }) => {
    if (run === handle.id && to === 'stopping')
      counting ??= setInterval(() => void tellGrace(supervisor, handle, stream).catch(() => {}), patience)
  }
  supervisor.on('transition', stopping)
  return {
    stop() {
      clearTimeout(waiting)
      supervisor.off('transition', stopping)
      if (counting === null) return
      clearInterval(counting)
      stream.write(clear)
    },
  }
}

async function tellWait(supervisor: Supervisor, { id, session }: RunHandle<unknown>, stream: WriteStream) {
  if (session === null) return
  const { holder, waiting, queueLength } = await supervisor.why(session)
  const place = waiting.findIndex(({ run }) => run === id) + 1
  if (place === 0) return
  const by =
    holder === null
      ? 'which nobody holds just now'
      : `held by run ${holder.run} (pid ${holder.supervisor.pid}) since ${age(holder.since)} ago${
          holder.doing === null ? '' : `, at ${holder.doing}`
        }`
  const others = queueLength === 1 ? '' : ` of ${queueLength}`
  stream.write(
    `coppice: ${printable(`waiting for session ${session}, ${by}; place ${place}${others} in its queue`)}\n`,
  )
}

/** To the beginning of the line, and nothing on it: the tool's own output goes on where this stood. */
const clear = '\r\x1b[K'

async function tellGrace(supervisor: Supervisor, { id, state }: RunHandle<unknown>, stream: WriteStream) {
  if (state !== 'stopping' && state !== 'running') return
  const { stopping } = (await supervisor.doing(id)) ?? { stopping: null }
  if (stopping === null) return
  const { cause, graceLeftMs, boundLeftMs } = stopping
  const why =
    cause === 'returned' || cause === 'threw' ? 'the command has exited' : cause.replaceAll('_', ' ')
  // To the nearest second, as the line is renewed.
  const seconds = (left: number) => duration(Math.round(left / 1000) * 1000)
  const left =
    graceLeftMs > 0
      ? `what still runs has ${seconds(graceLeftMs)} left of its grace, then it is killed`
      : `what still runs is being killed, for ${seconds(boundLeftMs)} at most`
  stream.write(`${clear}coppice: ${why}: ${left}`)
}
