import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { openGroup } from '#src/containment/group/group.js'
import { processTable } from '#src/containment/processes/processes.js'
import type { ProcessTable } from '#src/containment/processes/table.js'
import { isAlive, killIfAlive, living } from '../support/alive.ts'

/** A table whose first look at environments reads none in its time, as on a machine that is too busy. */
function busyTable(table: ProcessTable): ProcessTable {
  let isBusy = true
  return {
    ...table,
    cookiesOf: async (pids) => {
      if (!isBusy) return table.cookiesOf(pids)
      isBusy = false
      return new Map(pids.map((pid) => [pid, 'unknown']))
    },
  }
}

test('P3: a sweep ends whoever is seen only when their environments could be read', async () => {
  const run = `test-${randomUUID()}`
  const left = spawn('sleep', ['1000'], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, COPPICE_RUN: run },
  })
  const exited = once(left, 'exit')
  const found = living(left.pid ?? 0)
  const group = await openGroup({ processes: busyTable(await processTable()) })
  try {
    const target = { run, roots: [], lastWords: [], grace: 0, killBound: 5_000 }
    expect(await group.sweep(target)).toMatchObject({ proof: 'unproven', killed: 1, survivors: [] })
    await exited
    expect(isAlive(found.pid, found.startTime)).toBe(false)
  } finally {
    killIfAlive(found)
    await group.close()
  }
})
