import { exec } from 'coppice/exec'
import { describe, test } from 'vitest'
import { fixture } from '../../support/scene.ts'
import { expectDocumented } from '../places.ts'
import { run } from './containers.ts'
import { type FirstProcess, hardened } from './places.ts'

/** P10: what containment is worth in each place, as docs/containers.md says it. Each row is printed. */

const program = (kind: string) => ['node', 'test/fixtures/tells-its-place.mjs', kind]
const firsts: FirstProcess[] = ['tini', 'docker-init', 'node']

describe('on the machine itself', () => {
  const here = async (kind: string) =>
    (await exec(process.execPath, [fixture('tells-its-place.mjs'), kind], { timeout: '1m' })).orThrow().stdout

  test('with the native helper and without, where cgroups are nobody’s to make', async () => {
    expectDocumented('host', 'its own', await here('guard'))
    expectDocumented('host, without the native helper', 'its own', await here('group'))
  })
})

describe('in a container', () => {
  test.for(firsts)('of docker’s defaults, below %s', async (first) => {
    expectDocumented('container, defaults', first, await run(first, program('best')))
  })

  test.for(firsts)('hardened, below %s', async (first) => {
    expectDocumented('container, hardened', first, await run(first, program('best'), hardened))
  })

  test('hardened, without the native helper', async () => {
    const told = await run('tini', program('group'), hardened)
    expectDocumented('container, hardened, without the native helper', 'tini', told)
  })
})
