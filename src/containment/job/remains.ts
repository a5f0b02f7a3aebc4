import { execa } from 'execa'
import type { TreeReport } from '../contract.js'
import { Pause } from '../group/pause.js'
import { endRemains, membersOf, type Remains } from '../group/sweep.js'
import { readLastWord } from '../guard/last-word.js'
import { againIfRefused } from '../passing-refusals.js'
import type { ProcessEntry, ProcessTable } from '../processes/table.js'

const helperName = 'coppice-job.exe'

/** Milliseconds. */
const shortestInterval = 20
const longestInterval = 200

/**
 * Ends what a supervisor left that is gone, or does not answer. Its helpers are told to end their trees and are waited for:
 * one that is killed ends its tree at once, and takes its proof with it. What has none, or one that takes longer than its
 * bounds, is ended here.
 */
export async function endJobRemains(
  target: Remains,
  table: ProcessTable,
  helper: string,
): Promise<TreeReport> {
  const membership = membersOf(target, table)
  const told = new Set<number>()
  const pause = new Pause()
  const until = performance.now() + target.grace + target.killBound
  for (let interval = shortestInterval; performance.now() < until; interval *= 1.5) {
    const helpers = (await membership.members(await table.list())).filter(isHelper)
    if (helpers.length === 0) break
    const untold = helpers.filter(({ pid }) => !told.has(pid))
    if (untold.length > 0) await tellToEnd(helper, untold)
    for (const { pid } of untold) told.add(pid)
    await pause.for(Math.min(interval, longestInterval))
  }
  // A helper writes it before it is gone.
  const words = await Promise.all(target.lastWords.map(readLastWord))
  const report = await endRemains({ ...target, grace: 0 }, table)
  const killed = words.reduce((sum, word) => sum + (word?.killed ?? 0), report.killed)
  const isProven = words.length > 0 && words.every((word) => word !== null) && report.proof === 'unproven'
  return { ...report, killed, ...(isProven ? { containment: 'job', proof: 'empty' } : {}) }
}

function isHelper({ name }: ProcessEntry): boolean {
  return name.toLowerCase() === helperName
}

async function tellToEnd(helper: string, helpers: readonly ProcessEntry[]): Promise<void> {
  const marks = helpers.map(({ pid, startTime }) => `${pid}:${startTime}`)
  // Who cannot be told, for whatever reason, is ended when its time is up.
  await againIfRefused(() => execa(helper, ['--ask', ...marks], { timeout: 5_000 })).catch(() => {})
}
