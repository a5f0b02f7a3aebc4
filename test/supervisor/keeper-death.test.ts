import { openSupervisor, type Recovered } from 'coppice'
import { describe, expect } from 'vitest'
import type { KeeperLink } from '#src/supervisor/host/link.js'
import { eventually } from '../support/eventually.ts'
import { collectingLog } from '../support/log.ts'
import { test } from '../support/scene.ts'

describe('P9: a keeper that dies', () => {
  test('ends every run as run_lost with its trees, says why, and is not restarted', async ({ scene }) => {
    const { logger, lines } = collectingLog('warn')
    const recovered: Recovered[] = []
    const supervisor = await openSupervisor({ state: scene.state, logger })
    supervisor.on('recovered', (event) => recovered.push(event))
    const handle = supervisor.start({ session: 'a' }, async (run) => {
      await run.exec('bash', ['-c', 'trap "" TERM; sleep 600 & sleep 600'])
    })
    handle.result.catch(() => {})
    await eventually(() => scene.living().length >= 3)
    const { link } = supervisor as unknown as { link: KeeperLink }
    await link.terminate()
    await expect(handle.result).rejects.toMatchObject({
      code: 'run_lost',
      message: expect.stringContaining('keeper died'),
    })
    expect(handle.signal.aborted).toBe(true)
    expect(await handle.outcome).toMatchObject({ state: 'lost', forced: true })
    expect(scene.living()).toEqual([])
    await expect(supervisor.run({}, () => 1)).rejects.toMatchObject({ code: 'run_lost' })
    await supervisor.close()
    // Wine now and then fails to start a program of the sweep's: then that is tried again.
    expect(lines.filter(({ msg }) => !msg?.includes('trying again'))).toMatchObject([
      { level: 50, msg: 'the keeper died', runs: 1, err: { code: 'run_lost' } },
      { msg: 'run taken over', run: handle.id },
      { msg: 'run recovered', run: handle.id },
    ])
    expect(recovered).toMatchObject([{ run: handle.id, from: { pid: process.pid }, state: 'lost' }])

    const next = await openSupervisor({ state: scene.state })
    expect(await next.sessions()).toMatchObject([{ session: 'a', state: 'free' }])
    await next.close()
  })
})
