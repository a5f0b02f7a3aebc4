import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cgroupsHere } from '../../../support/cgroups.ts'
import { leafOf, read, service } from './service.ts'

/** Where this does not hold, tests of cgroups in the same suite would be left out and not fail. */
test('these tests run where cgroups are ours, with every controller', () => {
  expect(service).toMatch(/\/system\.slice\/\w+\.service$/)
  expect(cgroupsHere).toEqual({ base: service, why: '' })
  expect(read(service, 'cgroup.subtree_control').split(' ').toSorted()).toEqual(['cpu', 'memory', 'pids'])
  expect(leafOf(process.pid)).toBe(join(service, 'main'))
})
