import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { cgroupsBelow } from '../../../support/cgroups.ts'
import { fixture, type Scene, test } from '../../../support/scene.ts'
import { cgroupBelowService, hierarchy } from './service.ts'

/** How a cgroup comes to be coppice's, and what holds there. */

const held = { opened: 'cgroup', kind: 'cgroup', exceeded: 'pids', proof: 'empty' }
const byKernel = { ...held, warnings: [], cpus: 'exited' }
const refused = expect.stringMatching(/^cannot launch true: its cpus limit of 0.5 needs containment cgroup/)

describe('a service with Delegate=yes', () => {
  test('and DelegateSubgroup=main: the kernel holds every limit', async ({ scene }) => {
    using unit = cgroupBelowService('unit')
    mkdirSync(join(unit.path, 'main'))
    expect(await told(scene, `echo 0 >${unit.path}/main/cgroup.procs`, unit.path)).toEqual(byKernel)
    expect(cgroupsBelow(unit.path)).toEqual([join(unit.path, 'main')])
  })

  test('of an ordinary user, to whom it was handed: the same', async ({ scene }) => {
    using unit = cgroupBelowService('unit')
    mkdirSync(join(unit.path, 'main'))
    const enters = `chown -R 65534 ${unit.path} ${scene.folder}; echo 0 >${unit.path}/main/cgroup.procs`
    const user = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
    expect(await told(scene, enters, unit.path, user)).toEqual(byKernel)
  })

  test('of an ordinary user, to whom it was not: by its guards, and it says so once', async ({ scene }) => {
    using unit = cgroupBelowService('unit')
    mkdirSync(join(unit.path, 'main'))
    const enters = `chown -R 65534 ${scene.folder}; echo 0 >${unit.path}/main/cgroup.procs`
    const user = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
    expect(await told(scene, enters, unit.path, user)).toEqual({
      ...held,
      opened: 'guard',
      kind: 'guard',
      warnings: [`trees have no cgroups: cgroup v2: ${unit.path} cannot be written`],
      cpus: refused,
    })
  })

  test('and the gateway in the unit itself: cgroups without controllers, limits by their guards', async ({
    scene,
  }) => {
    using unit = cgroupBelowService('unit')
    const enters = `echo 0 >${unit.path}/cgroup.procs`
    expect(await told(scene, enters, unit.path)).toEqual({ ...held, warnings: [], cpus: refused })
    expect(await told(scene, enters, null), 'and not told whose it is').toEqual({
      ...held,
      warnings: [],
      cpus: refused,
    })
    expect(cgroupsBelow(unit.path)).toEqual([])
  })

  test('and the gateway in the unit itself, to which memory was not handed down: the same', async ({
    scene,
  }) => {
    using slice = cgroupBelowService('slice', { 'cgroup.subtree_control': '+cpu +pids' })
    const unit = join(slice.path, 'unit')
    mkdirSync(unit)
    // What is left could be handed on, and then no process could be put below.
    expect(await told(scene, `echo 0 >${unit}/cgroup.procs`, unit)).toEqual({
      ...held,
      warnings: [],
      cpus: refused,
    })
  })
})

describe('a container with a cgroup namespace of its own', () => {
  /** The hierarchy as it is mounted in a container: its root is the container's cgroup. */
  const contained = (flags: string) =>
    `unshare --cgroup --mount sh -c 'umount ${hierarchy} && mount -t cgroup2 ${flags} cgroup2 ${hierarchy} && exec "$0" "$@"'`

  test('that is writable, its processes in a leaf: the kernel holds every limit', async ({ scene }) => {
    using box = cgroupBelowService('box')
    mkdirSync(join(box.path, 'main'))
    // Of the namespace's root when it was made: then its processes go to a leaf, as a container's entry point has it.
    const enters = `echo 0 >${box.path}/cgroup.procs`
    const leaves = `sh -c 'echo 0 >${hierarchy}/main/cgroup.procs; exec "$0" "$@"'`
    expect(await told(scene, enters, hierarchy, `${contained('')} ${leaves}`)).toEqual(byKernel)
    expect(cgroupsBelow(box.path)).toEqual([join(box.path, 'main')])
  })

  test('that is writable, and nobody has prepared it: limits by their guards', async ({ scene }) => {
    using box = cgroupBelowService('box')
    const enters = `echo 0 >${box.path}/cgroup.procs`
    expect(await told(scene, enters, null, contained(''))).toEqual({ ...held, warnings: [], cpus: refused })
    expect(cgroupsBelow(box.path)).toEqual([])
  })

  test('that is read-only: the guard, silently where nothing was given, and with one warning where it was', async ({
    scene,
  }) => {
    using box = cgroupBelowService('box')
    const enters = `echo 0 >${box.path}/cgroup.procs`
    const guarded = { ...held, opened: 'guard', kind: 'guard', cpus: refused }
    expect(await told(scene, enters, null, contained('-o ro'))).toEqual({ ...guarded, warnings: [] })
    expect(await told(scene, enters, hierarchy, contained('-o ro'))).toEqual({
      ...guarded,
      warnings: [`trees have no cgroups: cgroup v2: ${hierarchy} cannot be written`],
    })
    expect(cgroupsBelow(box.path)).toEqual([])
  })
})

/** What a gateway tells that has entered a cgroup, with that one given to it. */
async function told(scene: Scene, enters: string, given: string | null, wrapper = ''): Promise<unknown> {
  const gateway = [process.execPath, fixture('tells-its-containment.mjs')]
  const script = `${enters} && exec ${wrapper} "$@"`
  const { stdout, stderr, code } = await scene.bash(script, gateway, { env: { COPPICE_CGROUP: given ?? '' } })
    .exited
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}
