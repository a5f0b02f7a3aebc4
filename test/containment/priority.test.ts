import { existsSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { openGroup } from '#src/containment/group/group.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { eventually } from '../support/eventually.ts'
import { Launching } from './launching.ts'

const helper = (await findHelper()) ?? ''
const own = getPriority()

const kinds = [
  { kind: 'guard', isHere: helper !== '', open: () => openGuard({ helper }) },
  { kind: 'group', isHere: true, open: openGroup },
]

describe.each(kinds)(
  'P7: a tree steps back where the processors are busy, by $kind',
  ({ kind, isHere, open }) => {
    let containment: Containment
    let launching: Launching
    beforeEach(async () => {
      containment = await open()
      launching = new Launching(containment)
    })
    afterEach(async () => {
      await launching.assertNothingLives()
      await containment.close()
    })

    async function launched(nice?: number) {
      const more = nice === undefined ? {} : { nice }
      const { tree, out } = await launching.launch('sh', ['-c', 'sleep 1000 & echo $!; wait'], more)
      return { tree, root: tree.root.pid, child: Number(await out.after('')) }
    }

    test.skipIf(!isHere)('as far as it is told, and not where it is not told', async () => {
      const asked = await launched(7)
      const plain = await launched()
      expect([asked.root, plain.root, plain.child].map((pid) => getPriority(pid) - own)).toEqual([7, 0, 0])
      // By group its root is told when it runs, and may have started somebody by then.
      if (kind === 'guard') expect(getPriority(asked.child) - own).toBe(7)
      for (const { tree } of [asked, plain]) tree.kill()
      await Promise.all([asked.tree.emptied, plain.tree.emptied])
    })

    test.skipIf(!isHere || kind === 'group' || !existsSync('/proc/self/autogroup'))(
      'as a process session, where the kernel shares by those first; who guards it stays where it is',
      async () => {
        const asked = await launched(7)
        const plain = await launched()
        // Ordinary users may set ten a second, all of a machine together.
        await eventually(() => expect(niceOfSession(asked.child)).toBe(7) ?? true)
        const guard = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${asked.root}/status`, 'utf8'))?.[1])
        expect([guard, plain.root, plain.child].map(niceOfSession)).toEqual([0, 0, 0])
        for (const { tree } of [asked, plain]) tree.kill()
        await Promise.all([asked.tree.emptied, plain.tree.emptied])
      },
    )
  },
)

function niceOfSession(pid: number): number {
  return Number(/nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'utf8'))?.[1])
}
