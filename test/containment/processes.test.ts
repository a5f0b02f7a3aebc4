import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { openLinuxTable } from '#src/containment/processes/linux.js'
import { openPosixTable } from '#src/containment/processes/posix.js'
import { parseStat } from '#src/containment/processes/stat.js'
import type { ProcessTable } from '#src/containment/processes/table.js'
import type { Identity } from '#src/identity.js'
import { eventually } from '../support/eventually.ts'
import { Lines } from '../support/lines.ts'

const isLinux = process.platform === 'linux'

describe.each([
  ['/proc', openLinuxTable, isLinux],
  ['ps', openPosixTable, true],
] as const)('the process table by %s', (name, open, isHere) => {
  if (!isHere) return
  let table: ProcessTable
  const started: ChildProcess[] = []
  beforeAll(async () => {
    table = await open()
  })
  afterEach(async () => {
    for (const child of started.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  /** Not as a detail: bash reads ~/.bashrc where its input is a socket, as Node's pipes are. Hence --norc. */
  function start(command: string, args: readonly string[], env = process.env) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true, env })
    started.push(child)
    return { pid: child.pid ?? 0, child, out: new Lines(child.stdout) }
  }

  async function identityOf(pid: number): Promise<Identity> {
    const identity = await table.identify(pid)
    if (identity === null) throw new Error(`no process ${pid}`)
    return identity
  }

  test('knows this process', async () => {
    expect(table.self.pid).toBe(process.pid)
    expect(await table.isAlive(table.self)).toBe('alive')
    expect(table.self.bootId).not.toBe('')
  })

  test('lists parent, group, session and name, whatever the name holds', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coppice-'))
    const title = 'a) R (1 2 3'
    const bash = (await execa('which', ['bash'])).stdout
    await symlink(bash, join(folder, title))
    const { pid, out } = start(join(folder, title), ['--norc', '-c', 'echo ready; read -r'])
    await out.after('ready')
    const entry = (await table.list()).find((one) => one.pid === pid)
    expect(entry).toMatchObject({ pid, ppid: process.pid, pgid: pid, sid: pid, state: 'alive', name: title })
    expect(table.startedBefore(entry?.startTime ?? '', table.self.startTime)).toBe(false)
    await rm(folder, { recursive: true })
  })

  test('tells alive from ended, and a zombie is dead', async () => {
    // The shell becomes a sleep, which never collects the exit of its child.
    const { pid: parent, out } = start('bash', [
      '--norc',
      '-c',
      'sleep 1000 & echo "child $!"; exec sleep 1000',
    ])
    const pid = Number(await out.after('child'))
    const entryOf = async (pid: number) => (await table.list()).find((one) => one.pid === pid)
    await eventually(async () => (await entryOf(parent))?.name === 'sleep')
    const identity = await identityOf(pid)
    expect(await table.isAlive(identity)).toBe('alive')
    expect(await table.signal(identity, 'SIGKILL')).toBe(true)
    await eventually(async () => (await entryOf(pid))?.state === 'zombie')
    expect(await table.isAlive(identity)).toBe('dead')
    expect(await table.signal(identity, 'SIGKILL')).toBe(false)
  })

  test('case 9: takes a reused number for another process, and signals it not', async () => {
    const { pid, out } = start('bash', ['--norc', '-c', 'echo ready; read -r'])
    await out.after('ready')
    const identity = await identityOf(pid)
    const earlier = { ...identity, startTime: 'Thu Jan 1 00:00:01 1970' }
    expect(await table.isAlive(earlier)).toBe('dead')
    expect(await table.signal(earlier, 'SIGKILL')).toBe(false)
    expect(await table.isAlive(identity)).toBe('alive')
  })

  test('counts another boot as dead, and of another pid namespace says that it does not know', async () => {
    expect(await table.isAlive({ ...table.self, bootId: 'another' })).toBe('dead')
    expect(await table.isAlive({ ...table.self, pidNamespace: 'pid:[1]' })).toBe('unknown')
    expect(await table.signal({ ...table.self, bootId: 'another' }, 'SIGKILL')).toBe(false)
    expect(await table.isAlive({ ...table.self, pid: 4_000_000 })).toBe('dead')
  })

  test('signals the process that is meant', async () => {
    const { pid, child, out } = start('bash', ['--norc', '-c', 'echo ready; read -r'])
    await out.after('ready')
    expect(await table.signal(await identityOf(pid), 'SIGTERM')).toBe(true)
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM'])
  })

  test('never signals pid 1, this process, or a number that is none', async () => {
    const kill = vi.spyOn(process, 'kill')
    const first = await identityOf(1)
    const odd = [0, -1, Number.NaN].map((pid) => ({ ...first, pid }))
    expect(await table.signalAll([first, table.self, ...odd], 'SIGCONT')).toEqual([])
    expect(kill).not.toHaveBeenCalled()
    kill.mockRestore()
  })

  // By ps it may: that prints a command line alone where there is no environment.
  test.skipIf(name === 'ps')('takes nobody in the middle of an exec for a stranger', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coppice-'))
    const script = join(folder, 'goes-on')
    await writeFile(script, 'exec bash --norc "$0"')
    const { pid, child } = start('bash', ['--norc', script], { ...process.env, COPPICE_TREE: 't1' })
    for (let look = 0; look < 150; look++) expect(await table.cookieOf(pid)).not.toBe(null)
    child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })

  test('reads the cookie of a process, and tells that it has none', async () => {
    const cookie = { COPPICE_RUN: 'outer/inner', COPPICE_TREE: 't1' }
    const marked = start('bash', ['--norc', '-c', 'echo ready; read -r'], { ...process.env, ...cookie })
    const { COPPICE_RUN: _run, COPPICE_TREE: _tree, ...without } = process.env
    const plain = start('bash', ['--norc', '-c', 'echo ready; read -r'], without)
    await Promise.all([marked.out.after('ready'), plain.out.after('ready')])
    expect(await table.cookieOf(marked.pid)).toEqual({ run: 'outer/inner', tree: 't1' })
    expect(await table.cookieOf(plain.pid)).toBe(null)
  })
})

describe('/proc/<pid>/stat', () => {
  const rest = (state: string, threads: number) =>
    `7 (a) b) ${state} 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 ${threads} 0 4711 0 0`

  test('is split behind the last parenthesis', () => {
    expect(parseStat(rest('S', 1))).toEqual({
      pid: 7,
      name: 'a) b',
      state: 'alive',
      ppid: 1,
      pgid: 2,
      sid: 3,
      startTime: '4711',
    })
  })

  test('tells a zombie from a main thread that ended before the others', () => {
    expect(parseStat(rest('Z', 1)).state).toBe('zombie')
    expect(parseStat(rest('Z', 2)).state).toBe('alive')
  })
})
