import { openSupervisor } from 'coppice'
import { expect } from 'vitest'
import { test } from '../support/scene.ts'

const sessions = 1000

test('case 34, P7: a thousand sessions work through beside one that is stuck, one that floods, and one that fails without pause', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state, grace: '300ms', drainBound: '300ms' })
  const stuck = supervisor.start({ session: 'stuck' }, () => new Promise<never>(() => {}))
  const flooding = Promise.withResolvers<void>()
  const flood = supervisor.start({ session: 'flood' }, async (run) => {
    const tool = run.exec('yes', [], { output: { limit: 1024 } })
    tool.stdout.once('data', () => flooding.resolve())
    tool.stdout.resume()
    await tool
  })
  let failures = 0
  let goesOn = true
  const failing = (async () => {
    for (; goesOn; failures++)
      await supervisor.run({ session: 'fails' }, () => Promise.reject(new Error('no'))).catch(() => {})
  })()
  await flooding.promise

  const work = async (session: string) => {
    for (let turn = 0; turn < 3; turn++) await supervisor.run({ session }, (run) => run.append({ turn }))
    return (await supervisor.transcript(session)).map(({ kind }) => kind)
  }
  const done = await Promise.all(Array.from({ length: sessions }, (_, n) => work(`s${n}`)))
  const ordinary = ['entry', 'ending', 'entry', 'ending', 'entry', 'ending']
  expect(done.filter((kinds) => kinds.join() !== ordinary.join())).toEqual([])
  // All of that while nothing has become of the bad ones, whose bounds are an hour.
  expect([stuck.state, flood.state]).toEqual(['running', 'running'])
  goesOn = false
  await failing
  expect(failures).toBeGreaterThan(0)
  await supervisor.close()
  expect(await stuck.outcome).toMatchObject({ state: 'cancelled', callback: 'left_behind' })
  expect(await flood.outcome).toMatchObject({ state: 'cancelled', trees: 1, tree: { survivors: [] } })
})
