import { expect } from 'vitest'
import { processTable } from '#src/containment/processes/processes.js'
import { fixture, test } from '../support/scene.ts'
import { programs } from './zoo.ts'

const program = 'main-thread-exited'

test.skipIf(!programs.includes(program))(
  'a process whose main thread has ended is no stranger: its other threads show its cookie, to root',
  async ({ scene }) => {
    const env = { COPPICE_RUN: 'r1', COPPICE_TREE: 't1' }
    const { lines, pid, child } = scene.bash('exec "$1"', [fixture(`zoo/bin/${program}`)], { env })
    await lines.after('ready')
    const table = await processTable()
    const cookie = await table.cookieOf(pid)
    // Nobody else ends its child.
    const children = (await table.list()).filter(({ ppid }) => ppid === pid)
    child.kill('SIGKILL')
    await table.signalAll(children, 'SIGKILL')
    // Without a main thread its files are root's: to others it is unknown, which is no stranger either.
    expect(cookie).toEqual(process.getuid?.() === 0 ? { run: 'r1', tree: 't1' } : 'unknown')
  },
)
