import { openSupervisor } from '../supervisor/host/supervisor.js'
import { printJson } from './printing.js'
import { stateExists, stateOption } from './state.js'

interface PruneCommandOptions {
  readonly keep?: number
  readonly number?: number
  readonly state?: string
  readonly json?: boolean
}

/** `coppice prune [--keep DURATION] [--number N]`: forgets old runs now, as supervisors do by themselves each hour. */
export async function prune({ keep, number, ...options }: PruneCommandOptions): Promise<void> {
  const state = stateOption(options)
  const bounds = { ...(keep === undefined ? {} : { age: keep }), ...(number === undefined ? {} : { number }) }
  const pruned = (await stateExists(state)) ? await pruneState(state, bounds) : nothing
  if (options.json === true) return printJson(pruned)
  const { runs, requests, trees } = pruned
  process.stdout.write(`forgot ${runs} runs, ${requests} requests and what was known of ${trees} commands\n`)
}

const nothing = { runs: 0, requests: 0, trees: 0 }

async function pruneState(state: { readonly state?: string }, bounds: { age?: number; number?: number }) {
  const supervisor = await openSupervisor(state)
  try {
    return await supervisor.prune(bounds)
  } finally {
    await supervisor.close()
  }
}
