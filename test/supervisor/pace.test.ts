import { openSupervisor, type Run } from 'coppice'
import { expect } from 'vitest'
import { test } from '../support/scene.ts'

const megabytes = 256
const kept = 1024

function flood(run: Run) {
  return run.exec('head', ['-c', `${megabytes}M`, '/dev/zero'], { output: { limit: kept } })
}

test('P7: while another run goes on, a flood of output is read by a share in each turn of the loop, and none of it is lost', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state })
  const other = await supervisor.begin({ session: 'b' })
  let turns = 0
  const turning = setInterval(() => turns++, 1)
  const { truncated, ok } = await supervisor.run({ session: 'a' }, flood)
  clearInterval(turning)
  await other.end()
  await supervisor.close()
  expect({ truncated, ok }).toEqual({ truncated: megabytes * 1024 * 1024 - kept, ok: true })
  // A quarter of a megabyte each, and one chunk more that is there when it is paused.
  expect(turns).toBeGreaterThan(megabytes * 2.5)
})
