import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'
import { hasTerminals, inTerminal } from '../support/terminal.ts'

const stubborn = `trap "" TERM; echo ready; while :; do sleep 0.2; done`

describe.skipIf(!hasTerminals)(
  'coppice run on a terminal tells what a person waits for (needs a C compiler)',
  () => {
    test('after a second, for which session, who has it, at what, and at which place', async ({ scene }) => {
      const supervisor = await openSupervisor({ state: scene.state })
      const holder = await supervisor.begin({ session: 'demo' })
      const first = supervisor.start({ session: 'demo' }, () => 1)
      await eventually(async () => (await supervisor.why('demo')).waiting.length === 1)
      const terminal = inTerminal(scene, `coppice run --session demo -- echo done`)
      await terminal.shows(
        new RegExp(
          `coppice: waiting for session demo, held by run ${holder.id} \\(pid ${process.pid}\\) since \\S+ ago(, at its callback)?; place 2 of 2 in its queue\\n`,
        ),
      )
      await holder.end()
      await first.outcome
      await terminal.shows('ended 0')
      expect(terminal.screen().match(/waiting for session/g)).toHaveLength(1)
      expect(terminal.screen()).toContain('done')
      await supervisor.close()
    })

    test('during the grace, how much of it is left; then the line is gone', async ({ scene }) => {
      const terminal = inTerminal(
        scene,
        `coppice run --timeout 3s --grace 5s -- bash -c '${stubborn}'; echo "code $?"`,
      )
      await terminal.shows(/coppice: timed out: what still runs has \ds left of its grace, then it is killed/)
      await terminal.shows('code 124')
      const left = [...terminal.screen().matchAll(/has (\d)s left of its grace/g)].map(([, seconds]) =>
        Number(seconds),
      )
      expect(new Set(left).size, 'it is told again').toBeGreaterThan(1)
      expect(left).toEqual(left.toSorted((a, b) => b - a))
      const [, after = ''] = terminal.screen().split(/.*left of its grace, then it is killed/s)
      expect(
        after.startsWith('\u001b[K') || after.includes('\u001b[Kcoppice: run'),
        'the line was taken off',
      ).toBe(true)
    })

    test('nothing where the wait is short, and nothing where stderr is no terminal', async ({ scene }) => {
      const quick = inTerminal(scene, `coppice run --session demo -- echo done`)
      await quick.shows('ended 0')
      expect(quick.screen()).not.toContain('coppice:')

      const supervisor = await openSupervisor({ state: scene.state })
      const holder = await supervisor.begin({ session: 'demo' })
      const piped = scene.coppice(['run', '--session', 'demo', '--', 'true'])
      const waitedFor = async () => (await supervisor.why('demo')).waiting[0]?.waitedMs ?? 0
      await eventually(async () => (await waitedFor()) > 1500)
      await holder.end()
      expect(await piped.exited).toMatchObject({ code: 0, stderr: '' })
      await supervisor.close()
    })
  },
)
