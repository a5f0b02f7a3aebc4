import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { test } from '../support/scene.ts'

describe.for(kindsHere)('case 13: a thread of the host that exits, by %s', (kind) => {
  test('kills no tool, however it exits, also where it has launched one itself', async ({ scene }) => {
    const { code, stdout, stderr } = await scene.host('host-with-a-thread-that-exits.mjs', [kind]).exited
    expect({ code, stdout: JSON.parse(stdout) }).toEqual({
      code: 0,
      stdout: { stdout: 'ready\ngot all of it\n', exit: { code: 0, signal: null } },
    })
    expect(stderr.match(/in the thread/g)).toHaveLength(4)
  })
})
