import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { cgroupsBelow } from '../../../support/cgroups.ts'
import { eventually } from '../../../support/eventually.ts'
import { type Scene, test } from '../../../support/scene.ts'
import { together, toolWasTaken, withCoppice, withoutCoppice } from '../../short-of-memory.ts'
import { cgroupBelowService, count, hierarchy, read } from './service.ts'

/** A host and its tools that share one limit of memory, which is nobody's own: the kernel takes a tool, and the outcome says so. */
describe('the memory of a whole service runs out', () => {
  const limits = { 'memory.max': together }

  test('and the kernel takes the larger one, which is the host: without coppice', async ({ scene }) => {
    using unit = cgroupBelowService('unit', limits)
    const { signal } = await startIn(scene, unit.path, withoutCoppice)
    expect(signal).toBe('SIGKILL')
    // Its tool may follow it, which has as little room then.
    expect(count(unit.path, 'memory.events', 'oom_kill')).toBeGreaterThan(0)
    // Where it does not, nobody ends it: that is what this control shows, and not what it may leave.
    writeFileSync(join(unit.path, 'cgroup.kill'), '1')
    await eventually(() => read(unit.path, 'cgroup.events').includes('populated 0'))
  })

  test('and the kernel takes the tool, which has a cgroup: below one that was delegated', async ({
    scene,
  }) => {
    using unit = cgroupBelowService('unit', limits)
    mkdirSync(join(unit.path, 'main'))
    const { code, stdout } = await startIn(scene, join(unit.path, 'main'), withCoppice, unit.path)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(toolWasTaken('cgroup'))
    expect(count(unit.path, 'memory.events', 'oom_kill')).toBe(1)
    expect(cgroupsBelow(unit.path)).toEqual([join(unit.path, 'main')])
  })

  test('and the kernel takes the tool, which has none: the hierarchy is read-only', async ({ scene }) => {
    using unit = cgroupBelowService('unit', limits)
    const isolated = 'unshare --cgroup --mount sh -c'
    const mounts = `umount ${hierarchy} && mount -t cgroup2 -o ro cgroup2 ${hierarchy}`
    const wrapper = `${isolated} '${mounts} && exec "$0" "$@"'`
    const { code, stdout } = await startIn(scene, unit.path, withCoppice, '', wrapper)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(toolWasTaken('guard'))
    expect(count(unit.path, 'memory.events', 'oom_kill')).toBe(1)
  })
})

function startIn(scene: Scene, cgroup: string, argv: readonly string[], given = '', wrapper = '') {
  const script = `echo 0 >${cgroup}/cgroup.procs && exec ${wrapper} "$@"`
  return scene.bash(script, argv, { env: { COPPICE_CGROUP: given } }).exited
}
