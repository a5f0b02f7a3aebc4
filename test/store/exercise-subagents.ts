import { describe, expect, it } from 'vitest'
import { type OpenStore, Scene, supervisorNamed } from './scene.ts'

/** How large a family of runs may grow. */
export function exerciseSubagents(open: OpenStore): void {
  describe('P7: a family of runs has bounds', () => {
    it('refuses a subagent below the depth that its ancestors’ supervisor allows, and says so', async () => {
      const scene = await bounded(open, { depth: 2, atOnce: 9 })
      await scene.hold('top', 'k', mine)
      await scene.hold('middle', 'l', { ...mine, parent: 'top' })
      await scene.hold('bottom', null, { ...mine, parent: 'middle' })
      for (const session of ['m', null])
        expect(await scene.admit(`below-${session}`, session, { ...mine, parent: 'bottom' })).toMatchObject({
          state: 'refused',
          limit: { name: 'depth', most: 2, count: 2 },
          outcome: {
            session,
            parent: 'bottom',
            state: 'refused',
            cause: 'subagent_limit',
            message: expect.stringContaining('run bottom, is at depth 2'),
          },
        })
      expect(await scene.admit('beside', 'n', { ...mine, parent: 'middle' })).toMatchObject({
        state: 'running',
      })
    })

    it('refuses one more than a parent may have at once, waiting ones too; each that ends makes room', async () => {
      const scene = await bounded(open, { depth: 9, atOnce: 2 })
      await scene.hold('top', 'k', mine)
      const first = await scene.hold('first', 'l', { ...mine, parent: 'top' })
      expect(await scene.admit('waits', 'l', { ...mine, parent: 'top' })).toMatchObject({ state: 'waiting' })
      expect(await scene.admit('waits', 'l', { ...mine, parent: 'top' }), 'asked again').toMatchObject({
        state: 'waiting',
      })
      expect(await scene.admit('third', 'm', { ...mine, parent: 'top' })).toMatchObject({
        state: 'refused',
        limit: { name: 'atOnce', most: 2, count: 2 },
        outcome: { cause: 'subagent_limit' },
      })
      await scene.finish(first)
      expect(await scene.admit('fourth', 'm', { ...mine, parent: 'top' })).toMatchObject({ state: 'running' })
    })

    it('holds another process to them, whose own are wider: a coppice run in a tree begins no new count', async () => {
      const scene = await bounded(open, { depth: 1, atOnce: 1 })
      const nested = await scene.beside(open, 'nested')
      await scene.hold('top', 'k', mine)
      await nested.hold('child', 'l', { supervisor: 'nested', parent: 'top' })
      expect(await nested.admit('second', 'm', { supervisor: 'nested', parent: 'top' })).toMatchObject({
        limit: { name: 'atOnce', most: 1 },
      })
      expect(await nested.admit('grandchild', 'm', { supervisor: 'nested', parent: 'child' })).toMatchObject({
        limit: { name: 'depth', most: 1 },
      })
    })

    it('allows 8 and 64 where nobody says otherwise', async () => {
      const scene = await Scene.of(open)
      for (let depth = 0; depth <= 8; depth++)
        await scene.hold(`r${depth}`, null, depth === 0 ? {} : { parent: `r${depth - 1}` })
      expect(await scene.admit('deeper', null, { parent: 'r8' })).toMatchObject({
        limit: { name: 'depth', most: 8 },
      })
      for (let child = 1; child < 64; child++) await scene.hold(`c${child}`, null, { parent: 'r0' })
      expect(await scene.admit('wider', null, { parent: 'r0' })).toMatchObject({
        limit: { name: 'atOnce', most: 64 },
      })
    })
  })
}

const mine = { supervisor: 'bounded' }

async function bounded(open: OpenStore, limits: { depth: number; atOnce: number }): Promise<Scene> {
  const scene = await Scene.of(open)
  await scene.store.register(supervisorNamed('bounded'), limits)
  return scene
}
