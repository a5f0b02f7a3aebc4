import { execa } from 'execa'
import { expect, test } from 'vitest'
import { openGroup } from '#src/containment/group/group.js'
import { exerciseContainment } from './exercise-containment.ts'
import { fixture } from './launching.ts'

exerciseContainment('group', openGroup, {
  nothingLeft: { containment: 'group', proof: 'unproven', survivors: [] },
  nothingSwept: { containment: 'group', proof: 'unproven', survivors: [] },
  holdsEscapes: false,
  outrunsForks: true,
  tellsRealTimeSignals: false,
  accountsUsage: false,
  hasSignals: true,
})

test('supervises from a worker while the main thread is blocked', async () => {
  const argv = ['test-worker', 'test-worker-tree', fixture('ignores-sigterm.sh')]
  const { stdout } = await execa(process.execPath, [fixture('supervises-while-main-is-blocked.mjs'), ...argv])
  expect(JSON.parse(stdout.replace('report ', ''))).toMatchObject({
    exit: { code: null, signal: 'SIGKILL' },
    killed: 2,
    proof: 'unproven',
  })
})
