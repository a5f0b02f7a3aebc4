import { describe, expect } from 'vitest'
import {
  attackers,
  type Ending,
  endAll,
  endings,
  endingsOf,
  ordinary,
  programs,
  storms,
  survivorsOf,
} from '../containment/zoo.ts'
import { bestHere } from '../support/containment.ts'
import { test } from '../support/scene.ts'

const kinds = bestHere.containment === 'cgroup' ? (['guard', 'cgroup'] as const) : (['guard'] as const)

describe.skipIf(bestHere.containment === 'group' || ordinary.length === 0).for(kinds)(
  'case 8: the zoo, by %s',
  (kind) => {
    const bound = 300_000

    test.for(endings)('nothing lives after the ending: %s', { timeout: bound }, async (ending, { scene }) => {
      expect(await survivorsOf(scene, kind, ending, ordinary)).toEqual(nobody(ordinary))
    })

    test.for(endings)('nothing of a storm lives after: %s', { timeout: bound }, async (ending, { scene }) => {
      for (const name of storms) {
        expect(await survivorsOf(scene, kind, ending, [name])).toEqual(nobody([name]))
      }
    })

    test.for(endings)('what harms its guard dies by: %s', { timeout: bound }, async (ending, { scene }) => {
      for (const name of attackers) {
        expect(await survivorsOf(scene, kind, ending, [name])).toEqual(nobody([name]))
      }
    })
  },
)

const always = endingsOf('group')
const onceUnsupervised: readonly Ending[] = ['supervisor']

/** How each program escapes where there is no guard: what shows that it tries. */
const escapes: Readonly<Record<string, readonly Ending[]>> = {
  'changed-name': onceUnsupervised,
  'clone-parent': onceUnsupervised,
  'clones-without-sigchld': onceUnsupervised,
  'deep-chain': onceUnsupervised,
  'double-fork': onceUnsupervised,
  'fork-storm': onceUnsupervised,
  'fork-storm-of-sessions': onceUnsupervised,
  'forks-from-a-thread': onceUnsupervised,
  'forks-on-sigterm': onceUnsupervised,
  'holds-everything': onceUnsupervised,
  hops: onceUnsupervised,
  'ignores-everything': onceUnsupervised,
  'kills-its-parent': always,
  'kills-its-parents': always,
  'main-thread-exited': onceUnsupervised,
  'many-threads': onceUnsupervised,
  'nested-subreaper': onceUnsupervised,
  'overwritten-environment': always,
  'own-process-group': onceUnsupervised,
  'pid-namespace': onceUnsupervised,
  // The keeper's thread is not the one that it holds: a timeout is kept.
  'ptraces-its-parent': always.filter((ending) => ending !== 'timeout'),
  'ptraces-its-root': ['root', 'supervisor'],
  'ptraces-itself': onceUnsupervised,
  'scrubbed-environment': always,
  setsid: onceUnsupervised,
  stopped: onceUnsupervised,
  // Its root can be ended before it has stopped anybody.
  'stops-its-parent': always.filter((ending) => ending !== 'root'),
  'subreaper-that-exits': onceUnsupervised,
  thousand: onceUnsupervised,
  'unreadable-environment': onceUnsupervised,
  'user-namespace': onceUnsupervised,
  vforks: onceUnsupervised,
  wide: onceUnsupervised,
  'writes-on-sigterm': onceUnsupervised,
  'zombie-maker': onceUnsupervised,
}

const exits = 'its root exits at once, and what that leaves is ended then, while its supervisor still lives'

/** The others: why they are in the zoo all the same. */
const held: Readonly<Record<string, string>> = {
  'background-job': exits,
  daemon: exits,
  'holds-stdout': exits,
  nohup: exits,
  'closes-and-reopens-stdout': 'it fails where stdout is a socket: it shows that a guard’s is a pipe',
}

describe.skipIf(programs.length === 0)('case 8: the control, which is the zoo by group', () => {
  test('every program of the zoo has one, or the reason why it has none', () => {
    expect([...Object.keys(escapes), ...Object.keys(held)].toSorted()).toEqual(programs)
  })

  test.for(Object.entries(escapes))('%s escapes', { timeout: 60_000 }, async ([name, how], { scene }) => {
    for (const ending of how) {
      const { unannounced = 0, [name]: announced = 0 } = await survivorsOf(scene, 'group', ending, [name])
      await endAll(scene)
      expect({ ending, survivors: announced + unannounced > 0 }).toEqual({ ending, survivors: true })
    }
  })
})

function nobody(names: readonly string[]): Record<string, number> {
  return { ...Object.fromEntries(names.map((name) => [name, 0])), unannounced: 0 }
}
