import { openObserver } from '../supervisor/host/observer.js'
import { openSupervisor } from '../supervisor/host/supervisor.js'
import type { BreakerView } from '../supervisor/host/views.js'
import { printJson } from './printing.js'
import { stateExists, stateOption } from './state.js'

interface BreakerCommandOptions {
  readonly close?: boolean
  readonly state?: string
  readonly json?: boolean
}

/** `coppice breaker SESSION [--close]`: the breaker as it is, or as it was before it was closed. */
export async function breaker(session: string, options: BreakerCommandOptions): Promise<void> {
  const state = stateOption(options)
  const isThere = await stateExists(state)
  const found = isThere ? await (options.close === true ? close : look)(session, state) : null
  if (options.json === true) printJson(found)
  else process.stdout.write(`${describe(found, options.close === true)}\n`)
}

async function look(session: string, state: { readonly state?: string }): Promise<BreakerView | null> {
  const observer = await openObserver(state)
  try {
    return await observer.breaker(session)
  } finally {
    await observer.close()
  }
}

async function close(session: string, state: { readonly state?: string }): Promise<BreakerView | null> {
  const supervisor = await openSupervisor(state)
  try {
    return await supervisor.closeBreaker(session)
  } finally {
    await supervisor.close()
  }
}

function describe(breaker: BreakerView | null, isClosedNow: boolean): string {
  if (breaker === null) return 'closed, no failures'
  const { state, failures, since, why, retryAt, trial } = breaker
  const before = isClosedNow ? 'closed; it was ' : ''
  if (state === 'closed') return `${before}closed, failures in a row: ${failures}`
  const next = trial === null ? `the next trial is at ${retryAt}` : `run ${trial} tries it out`
  return `${before}open since ${since}: ${why}; ${next}`
}
