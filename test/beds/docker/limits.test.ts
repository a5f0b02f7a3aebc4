import { describe, expect, test } from 'vitest'
import { fixture } from '../../support/scene.ts'
import { together, toolWasTaken, withCoppice, withoutCoppice } from '../short-of-memory.ts'
import { run, start } from './containers.ts'
import { hardened } from './places.ts'

/** Limits of a whole container, which hold beside those of coppice: for the gateway and all its tools. */

/** Their words, for the container's own Node and its own files. */
const inside = ([, file = '', ...args]: readonly string[]) => [
  'node',
  `test/fixtures/${file.slice(fixture('').length)}`,
  ...args,
]

describe('the memory of a container (-m) runs out', () => {
  const flags = [...hardened, `--memory=${together}`, `--memory-swap=${together}`]

  test('and the kernel takes the gateway, which is the larger one: without coppice', async () => {
    const container = start('tini', inside(withoutCoppice), { flags })
    expect(await container.code).toBe(137)
  })

  test('and the kernel takes the tool: the gateway goes on, and says over_limit', async () => {
    expect(JSON.parse(await run('tini', inside(withCoppice), flags))).toEqual(toolWasTaken('guard'))
  })
})

describe('the processes of a container (--pids-limit)', () => {
  test('are refused to the tool, and to the next tool as a typed error; the gateway goes on', async () => {
    const flags = [...hardened, '--pids-limit=60']
    const told = JSON.parse(await run('tini', ['node', 'test/fixtures/host-short-of-processes.mjs'], flags))
    expect(told).toEqual({
      first: 'refused',
      second: 'launch_failed: cannot launch true: fork: EAGAIN',
      storm: 'cancelled, empty',
      third: 'exited, empty',
    })
  })

  test('of a tool’s own limit end it before the container’s are used up', async () => {
    const flags = [...hardened, '--pids-limit=200']
    const told = JSON.parse(
      await run('tini', ['node', 'test/fixtures/host-short-of-processes.mjs', '20'], flags),
    )
    expect(told).toMatchObject({
      storm: 'over_limit, empty',
      second: 'exited, empty',
      third: 'exited, empty',
    })
  })
})
