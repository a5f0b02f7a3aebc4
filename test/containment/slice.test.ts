import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { parentOf } from '../support/alive.ts'
import { Launching } from './launching.ts'

const helper = (await findHelper()) ?? ''
/** Before there is a launcher. */
const ordinary = sliceOf('thread-self')
const shortest = 100_000

describe.skipIf(helper === '' || ordinary === null || !canChoose())(
  'P4: in a storm, who ends it has the processor soon (Linux 6.12)',
  () => {
    let guard: Containment
    let launching: Launching
    beforeEach(async () => {
      guard = await openGuard({ helper })
      launching = new Launching(guard)
    })
    afterEach(async () => {
      await launching.assertNothingLives()
      await guard.close()
    })

    test('keeper, launcher and guard run for a short time at once; the tool as any other', async () => {
      const { tree, out } = await launching.launch('sh', ['-c', 'echo ready; exec sleep 1000'])
      await out.after('ready')
      const guardPid = parentOf(tree.root.pid)
      expect(sliceOf(guardPid)).toBe(shortest)
      expect(sliceOf(parentOf(guardPid))).toBe(shortest)
      expect(sliceOf('thread-self')).toBe(shortest)
      expect(sliceOf(tree.root.pid)).toBe(ordinary)
      tree.kill()
      await tree.emptied
    })
  },
)

test.skipIf(helper === '' || ordinary === null || !canChoose())(
  'P7: the host’s event loop runs for a short time at once, also in a thread; what the host forks itself does not (Linux 6.12)',
  async () => {
    const program = new URL('../fixtures/host-tells-its-slices.mjs', import.meta.url).pathname
    const { stdout } = await promisify(execFile)(process.execPath, [program])
    expect(JSON.parse(stdout)).toEqual({
      host: shortest,
      thread: shortest,
      child: ordinary,
    })
  },
)

/** In nanoseconds; null where this kernel does not show it. */
function sliceOf(process: number | string): number | null {
  try {
    const [, slice] = /^se\.slice\s*:\s*(\d+)$/m.exec(readFileSync(`/proc/${process}/sched`, 'utf8')) ?? []
    return slice === undefined ? null : Number(slice)
  } catch {
    return null
  }
}

function canChoose(): boolean {
  const [, major = 0, minor = 0] = (
    /^(\d+)\.(\d+)/.exec(readFileSync('/proc/sys/kernel/osrelease', 'utf8')) ?? []
  ).map(Number)
  return major > 6 || (major === 6 && minor >= 12)
}
