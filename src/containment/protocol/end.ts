import { constants } from 'node:os'
import type { Survivor } from '../../proof.js'
import type { Exit } from '../contract.js'
import type { FrameBody } from './frames.js'

export const unknownExit: Exit = { code: null, signal: null }

/** What is told of a tree's end, or of its root's while others live. `exitOf` reads the root's status. */
export function readEnd(body: FrameBody, exitOf: (status: number, flag: number) => Exit) {
  const status = body.u32()
  const hasExited = body.u8() === 1
  const flag = body.u8()
  const killed = body.u32()
  const cpuMs = Math.round(Number(body.u64()) / 1000)
  const maxRssBytes = Number(body.u64())
  body.u32()
  return {
    exit: hasExited ? exitOf(status, flag) : unknownExit,
    killed,
    usage: { cpuMs, maxRssBytes },
    lingered: readProcesses(body),
  }
}

export function readProcesses(body: FrameBody): Survivor[] {
  return Array.from({ length: body.u32() }, () => ({
    pid: body.u32(),
    startTime: String(body.u64()),
    name: body.text(),
  }))
}

/** As wait(2) packs it. */
export function exitOfWait(status: number): Exit {
  const signal = status & 0x7f
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null }
  return { code: null, signal: signalNames.get(signal) ?? (`SIG${signal}` as NodeJS.Signals) }
}

/** Of two names for one number the first is the usual one, as SIGABRT before SIGIOT: the last to be set stays. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name as NodeJS.Signals]),
)
