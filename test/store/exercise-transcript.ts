import { describe, expect, it } from 'vitest'
import type { TranscriptItem } from '#src/store/looking-contract.js'
import { codeOf, noon, type OpenStore, Scene } from './scene.ts'

export function exerciseTranscript(open: OpenStore): void {
  describe('P2: the transcript', () => {
    it('has the entries of each run, then its ending with draft and error, in order of admission', async () => {
      const scene = await Scene.of(open)
      const first = await scene.hold('a', 'k')
      await scene.append(first, 0, { role: 'user' })
      await scene.store.draft(first, '"half a"')
      await scene.store.draft(first, '"half an answer"')
      await scene.append(first, 1, [1, 2])
      const error = { name: 'ApiError', message: 'overloaded', status: 529 }
      await scene.finish(first, { cause: 'threw', message: 'overloaded', error })
      const second = await scene.hold('b', 'k')
      await scene.append(second, 0, 'next')
      expect(await scene.store.transcript('k', {})).toMatchObject([
        { kind: 'entry', run: 'a', fence: 1, at: noon, entry: { role: 'user' } },
        { kind: 'entry', run: 'a', entry: [1, 2] },
        { kind: 'ending', run: 'a', outcome: { state: 'failed' }, draft: 'half an answer', error },
        { kind: 'entry', run: 'b', fence: 2, entry: 'next' },
      ])
    })

    it('has no draft where it was taken back', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.draft(hold, '"half"')
      await scene.store.draft(hold, null)
      await scene.finish(hold)
      expect(await scene.store.transcript('k', {})).toMatchObject([
        { kind: 'ending', draft: null, error: null },
      ])
    })

    it('orders runs by their admission and not by when they came', async () => {
      const scene = await Scene.of(open)
      const holder = await scene.hold('holder', 'k')
      await scene.admit('background', 'k', { priority: 'background' })
      await scene.admit('interactive', 'k')
      for (let hold = (await scene.finish(holder)).admitted; hold !== null; ) {
        await scene.append(hold, 0, hold.run)
        hold = (await scene.finish(hold)).admitted
      }
      expect((await scene.store.transcript('k', {})).map(({ run, kind }) => `${run} ${kind}`)).toEqual([
        'holder ending',
        'interactive entry',
        'interactive ending',
        'background entry',
        'background ending',
      ])
    })

    it('takes an entry once: the same again has the same place, another one with its number is refused', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const position = await scene.append(hold, 0, 'one')
      expect(await scene.append(hold, 0, 'one')).toBe(position)
      expect(await codeOf(scene.append(hold, 0, 'other'))).toBe('invalid_option')
      await scene.finish(hold)
      expect(await scene.append(hold, 0, 'one')).toBe(position)
      expect(await scene.store.transcript('k', {})).toMatchObject([
        { position, entry: 'one' },
        { kind: 'ending' },
      ])
    })

    it.each([1, 2, 7, 50, 1_000])('is read in pages of %i without a gap or a repeat', async (limit) => {
      const scene = await Scene.of(open)
      // More runs than lie between two milestones of the index, and takeovers that leave gaps in the turns.
      for (let at = 0; at < 150; at++) {
        await scene.pass('k', at % 5 === 0 ? [`${at}.0`, `${at}.1`, `${at}.2`] : [])
        await scene.pass('another')
        if (at % 40 === 0) await takenOver(scene, `taken-${at}`)
      }
      const live = await scene.hold('live', 'k')
      await scene.append(live, 0, 'so far')
      const all = await scene.store.transcript('k', { limit: 10_000 })
      expect(all).toHaveLength(150 + 30 * 3 + 4 + 1)
      const read: TranscriptItem[] = []
      for (let after: string | undefined; ; after = read.at(-1)?.position) {
        const page = await scene.store.transcript('k', { limit, ...(after === undefined ? {} : { after }) })
        expect(page.length).toBeLessThanOrEqual(limit)
        if (page.length === 0) break
        read.push(...page)
      }
      expect(read).toEqual(all)
    })

    it('keeps a position good across a takeover', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2')
      await scene.pass('k')
      const hold = await scene.hold('a', 'k')
      const after = await scene.append(hold, 0, 'before')
      const seen = await scene.store.run('a')
      const claim = seen === null ? null : await scene.store.takeOverIfUnchanged(seen, 's2', noon)
      if (claim === null) throw new Error('not claimed')
      await scene.append(claim, 1, 'from the new owner')
      await scene.finish(claim)
      await scene.pass('k')
      expect(await scene.store.transcript('k', { after })).toMatchObject([
        { run: 'a', fence: 3, entry: 'from the new owner' },
        { run: 'a', kind: 'ending', fence: 3 },
        { kind: 'ending', fence: 4 },
      ])
    })

    it('is empty for an unknown session, and refuses a position that is none', async () => {
      const scene = await Scene.of(open)
      expect(await scene.store.transcript('nobody', {})).toEqual([])
      expect(await codeOf(scene.store.transcript('k', { after: 'yesterday' }))).toBe('invalid_option')
    })

    it('keeps what a run writes in its order, and its ending after it, however much is queued', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const flood = await scene.hold('flood', 'other')
      const large = 'x'.repeat(20_000)
      const writes = Array.from({ length: 1_500 }, (_, at) => scene.append(flood, at, large))
      writes.push(...Array.from({ length: 300 }, (_, at) => scene.append(hold, at, at)))
      const [finished] = await Promise.all([scene.finish(hold), ...writes])
      expect(finished?.outcome.state).toBe('succeeded')
      expect(await scene.store.transcript('k', {})).toHaveLength(301)
    })
  })
}

async function takenOver(scene: Scene, run: string): Promise<void> {
  await scene.supervisor(`taker of ${run}`)
  await scene.hold(run, 'k')
  const seen = await scene.store.run(run)
  const claim = seen === null ? null : await scene.store.takeOverIfUnchanged(seen, `taker of ${run}`, noon)
  if (claim !== null) await scene.finish(claim)
}
