import { describe, expect, it } from 'vitest'
import { openContainment } from '#src/containment/open.js'

/** Where the helper cannot be had, coppice works with less and says so, once. */
describe('openContainment', () => {
  async function opened(helper: string | null) {
    const warnings: string[] = []
    const containment = await openContainment(null, (why) => warnings.push(why), { find: async () => helper })
    await containment.close()
    return { kind: containment.kind, warnings }
  }

  it('without the helper is group, and says how to get the better one', async () => {
    expect(await opened(null)).toEqual({
      kind: 'group',
      warnings: [expect.stringMatching(/group.*compiler.*npm install/)],
    })
  })

  it.each(['/bin/true', '/no/such/helper'])(
    'with a helper that does not work, %s, is group',
    async (helper) => {
      expect(await opened(helper)).toEqual({ kind: 'group', warnings: [expect.stringContaining(helper)] })
    },
  )

  it('insisted on, it is an error that says why', async () => {
    const insisting = openContainment('guard', () => {}, { find: async () => null })
    await expect(insisting).rejects.toMatchObject({
      code: 'launch_failed',
      message: expect.stringMatching(/guard.*compiler/),
    })
  })
})
