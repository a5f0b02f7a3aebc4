import { hostname } from 'node:os'
import { expect } from 'vitest'
import type { Identity } from '#src/identity.js'
import { openStore } from '#src/store/open.js'
import { admission, supervisorNamed } from '../store/scene.ts'
import { nameOf, startTimeOf } from './alive.ts'
import { eventually } from './eventually.ts'
import type { Scene } from './stage.ts'

/**
 * Runs of session `k`, the first of which holds it while the others wait, written down at `at` by an owner with this
 * identity, whose lease is over ten minutes later.
 */
export async function heldBy(
  scene: Scene,
  identity: Identity,
  { at = Date.now(), runs = ['held'] }: { readonly at?: number; readonly runs?: readonly string[] } = {},
): Promise<void> {
  const store = await openStore(scene.state)
  const times = { startedAt: at, renewedAt: at, ttl: 600_000 }
  await store.register(supervisorNamed('owner', { host: hostname(), identity, socket: null, ...times }))
  for (const run of runs) await store.admit(admission(run, 'k', { supervisor: 'owner', at }))
  await store.close()
}

/** A process that has exited and is not reaped, by one that never waits for its children. */
export async function zombie(scene: Scene): Promise<{ pid: number; startTime: string }> {
  const parent = scene.bash('sleep 600 & echo $! $(cut -d" " -f22 /proc/$!/stat); exec sleep 600')
  const [pid = '', startTime = ''] = (await parent.lines.after('')).split(' ')
  // The parent is another program by then, and knows of no child.
  await eventually(() => nameOf(parent.pid) === 'sleep' && nameOf(Number(pid)) === 'sleep')
  process.kill(Number(pid), 'SIGKILL')
  await eventually(() => startTimeOf(Number(pid)) === null)
  expect(nameOf(Number(pid)), 'it is still there').toBe('sleep')
  return { pid: Number(pid), startTime }
}
