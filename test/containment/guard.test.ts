import { describe } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { oldKernel, sanitizedLauncher } from '../support/native.ts'
import { exerciseContainment, guardExpectations } from './exercise-containment.ts'

const helper = (await findHelper()) ?? ''

const expectations = guardExpectations('guard')

exerciseContainment('guard', () => openGuard({ helper }), expectations)
exerciseContainment(
  'guard that looks at every process',
  () => openGuard({ helper, args: ['--walk=all'] }),
  expectations,
)

const sanitized = sanitizedLauncher()
describe.skipIf(sanitized === null)('under sanitizers (needs cc)', () => {
  exerciseContainment('guard', () => openGuard({ helper: sanitized ?? '' }), expectations)
})

const old = oldKernel()
describe.skipIf(old === null)('on a kernel without close_range and pidfd (needs cc)', () => {
  exerciseContainment('guard', () => openGuard({ helper: old ?? '', args: [helper] }), expectations)
})
