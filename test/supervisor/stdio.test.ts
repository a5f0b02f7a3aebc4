import { describe, expect } from 'vitest'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

describe.skipIf(bestHere.containment === 'group')('the host’s own stdio', () => {
  test('ends with the host, also while its trees are given their grace', async ({ scene }) => {
    const host = scene.host('host-of-a-patient-tree.mjs', ['15s'])
    await host.lines.after('ready')
    host.child.kill('SIGKILL')
    await host.exited
    expect(scene.living().length).toBeGreaterThan(0)
    await eventually(() => scene.living().length === 0, { within: 40_000 })
  })
})
