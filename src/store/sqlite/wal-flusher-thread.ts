/** The thread of wal-flusher.ts. Orders that came while a flush was under way share the next one. */
import { fdatasyncSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Flushed } from './wal-flusher.js'

parentPort?.on('message', (first: number) => {
  if (parentPort === null) return
  let order = first
  for (let next = receiveMessageOnPort(parentPort); next; next = receiveMessageOnPort(parentPort))
    order = next.message
  parentPort.postMessage(flush(order))
})

let failure: string | null = null

function flush(order: number): Flushed {
  try {
    if (failure === null) fdatasyncSync(workerData)
  } catch (error) {
    // The kernel tells it once, and would say that all is well from then on (fsync(2), EIO).
    failure = String(error)
  }
  return failure === null ? { order } : { order, error: failure }
}
