import { expect, test as plain } from 'vitest'
import { openScene, type Scene } from './stage.ts'

export { command, fixture, type Scene, type Started, type StartOptions } from './stage.ts'

/** Each test on a scene of its own. After it nothing of it lives. */
export const test = plain.extend<{ scene: Scene }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that a fixture needs from this pattern
  scene: async ({}, use) => {
    const { scene, close } = openScene()
    await use(scene)
    const left = await close()
    expect(left, `processes that the test left alive: ${left.join('; ')}`).toEqual([])
  },
})
