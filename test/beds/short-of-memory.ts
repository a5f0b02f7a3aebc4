import { expect } from 'vitest'
import { fixture } from '../support/scene.ts'

/** What a host and its tools come to that have this much memory together; a host is the larger of the two. */
export const together = '220M'

const sizes = ['110', '100']
export const withCoppice = [process.execPath, fixture('host-short-of-memory.mjs'), 'coppice', ...sizes]
/** The control: the kernel takes the larger one, and that is the host. */
export const withoutCoppice = [process.execPath, fixture('host-short-of-memory.mjs'), 'plain', ...sizes]

/** What the host tells where the kernel took its tool. */
export function toolWasTaken(containment: 'guard' | 'cgroup') {
  const killed = { signal: 'SIGKILL', containment }
  const byItself = { ...killed, ended: 'exited', exceeded: null, thrown: expect.any(String) }
  return {
    early: byItself,
    filled: {
      ...killed,
      ended: 'over_limit',
      exceeded: 'memory_of_all',
      thrown:
        'the command was ended: it was killed by the kernel, since the memory that it shares with others ran out',
    },
    late: byItself,
    held: 110,
  }
}
