import { describe, expect, test } from 'vitest'
import { findHelper } from '#src/containment/guard/built.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { cgroupsHere, cgroupsOf } from '../support/cgroups.ts'
import { eventually } from '../support/eventually.ts'
import { exerciseContainment } from './exercise-containment.ts'

const helper = (await findHelper()) ?? ''

describe.skipIf(cgroupsHere.base === null)(`with cgroups ${cgroupsHere.why}`, () => {
  exerciseContainment('cgroup', () => openGuard({ helper, cgroups: true }), {
    nothingLeft: { containment: 'cgroup', proof: 'empty', survivors: [] },
    nothingSwept: { containment: 'group', proof: 'unproven', survivors: [] },
    holdsEscapes: true,
    outrunsForks: true,
  })

  test('no cgroup of any of these trees is left', async () => {
    await eventually(() => cgroupsOf(process.pid).length === 0)
    expect(cgroupsOf(process.pid)).toEqual([])
  })
})
