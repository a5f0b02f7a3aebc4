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

function flush(order: number): Flushed {
  try {
    fdatasyncSync(workerData)
    return { order }
  } catch (error) {
    return { order, error: String(error) }
  }
}
