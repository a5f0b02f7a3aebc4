import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { fixture, type Scene, test } from '../../../support/scene.ts'
import { expectDocumented } from '../../places.ts'
import { cgroupBelowService, hierarchy } from './service.ts'

/** P10: what containment is worth where cgroups are ours to make, as docs/containers.md says it. Each row is printed. */

test('a host that may make cgroups below its own, which has processes', async ({ scene }) => {
  using unit = cgroupBelowService('unit')
  expectDocumented('host, cgroup v2 without controllers', 'its own', await told(scene, unit.path, ''))
})

test('a service with Delegate=yes and DelegateSubgroup=', async ({ scene }) => {
  using unit = cgroupBelowService('unit')
  mkdirSync(join(unit.path, 'main'))
  const json = await told(scene, join(unit.path, 'main'), unit.path)
  expectDocumented('service, delegated cgroup', 'its own', json)
})

test('a container whose cgroup namespace is writable, and whose processes are in a leaf of it', async ({
  scene,
}) => {
  using box = cgroupBelowService('box')
  mkdirSync(join(box.path, 'main'))
  const mounts = `umount ${hierarchy} && mount -t cgroup2 cgroup2 ${hierarchy}`
  const leaves = `echo 0 >${hierarchy}/main/cgroup.procs`
  const wrapper = `unshare --cgroup --mount sh -c '${mounts} && ${leaves} && exec "$0" "$@"'`
  const json = await told(scene, box.path, hierarchy, wrapper)
  expectDocumented('container, writable cgroup', 'an init', json)
})

async function told(scene: Scene, cgroup: string, given: string, wrapper = ''): Promise<string> {
  const script = `echo 0 >${cgroup}/cgroup.procs && exec ${wrapper} "$@"`
  const argv = [process.execPath, fixture('tells-its-place.mjs'), 'cgroup']
  const { stdout, stderr, code } = await scene.bash(script, argv, { env: { COPPICE_CGROUP: given } }).exited
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}
