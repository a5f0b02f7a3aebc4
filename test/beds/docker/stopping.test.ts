import { describe, expect, test } from 'vitest'
import { run, start, volume } from './containers.ts'
import { docker } from './engine.ts'
import { type FirstProcess, hardened } from './places.ts'

const program = (name: string, ...args: string[]) => ['node', `test/fixtures/${name}`, ...args]
const firsts: FirstProcess[] = ['tini', 'docker-init', 'node']

describe('docker stop with fifty trees, half of them deaf to SIGTERM', () => {
  test.for(firsts)(
    'case 36: every run is terminal and every session free before ten seconds, below %s',
    async (first) => {
      await using state = await volume()
      const flags = [...hardened, state.flag]
      const host = start(first, program('host-of-fifty-trees.mjs'), { flags })
      await host.lines.after('ready')
      const begun = performance.now()
      await docker(['stop', host.name])
      const took = performance.now() - begun
      console.log(`docker stop took ${Math.round(took)} ms below ${first}`)
      // Of a container that docker has to kill it would be 137, after ten seconds.
      expect(await host.code).toBe(143)
      expect(took).toBeLessThan(10_000)
      const told = JSON.parse(await run(first, program('tells-of-its-runs.mjs'), flags))
      expect(told).toEqual({ held: 0, runs: { 'cancelled as shutdown: empty': 50 }, survivors: 0 })
    },
  )
})

describe('docker kill', () => {
  test.for(firsts)(
    'P9: the next start with the same volume takes the session over, below %s',
    async (first) => {
      await using state = await volume()
      const flags = [...hardened, state.flag]
      const killed = start(first, program('host-for-a-volume.mjs', 'killed'), { flags })
      await killed.lines.after('ready')
      await docker(['kill', killed.name])
      expect(await killed.code).toBe(137)
      const next = start(first, program('host-for-a-volume.mjs', 'next'), { flags })
      await next.lines.after('ready')
      await docker(['stop', next.name])
      expect(await next.code).toBe(143)
      const told = JSON.parse(await run(first, program('tells-of-its-runs.mjs'), flags))
      expect(told.held).toBe(0)
      expect(Object.keys(told.runs).toSorted()).toEqual([
        'cancelled as shutdown: empty',
        // Its guards died with the pid namespace, and nobody out here can look into one that is gone.
        'lost as lost: unproven',
      ])
    },
  )
})

describe('two containers on one volume, both with pid 1', () => {
  test('case 30, P1: neither takes the other for dead while it lives, and each takes over from the other', async () => {
    await using state = await volume()
    const flags = [...hardened, state.flag]
    const one = start('node', program('host-for-a-volume.mjs', 'one'), { flags })
    await one.lines.after('ready')
    const two = start('node', program('host-for-a-volume.mjs', 'two'), { flags })
    // Each says that it is PID 1, and the second that the first's lease has come and gone meanwhile.
    await two.lines.after('waited')
    expect([one.lines.all[0], two.lines.all[0]]).toEqual(['pid 1', 'pid 1'])
    expect(two.lines.all.some((line) => line.startsWith('ready'))).toBe(false)
    await docker(['kill', one.name])
    await two.lines.after('ready')
    const three = start('node', program('host-for-a-volume.mjs', 'three'), { flags })
    await three.lines.after('waited')
    expect(three.lines.all.some((line) => line.startsWith('ready'))).toBe(false)
    await docker(['kill', two.name])
    await three.lines.after('ready')
    await docker(['kill', three.name])
    await three.code
  })
})
