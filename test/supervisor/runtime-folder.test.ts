import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { cleanRuntimeFolder } from '#src/supervisor/keeper/runtime-folder.js'
import { test } from '../support/scene.ts'

const listens = "require('node:net').createServer().listen(process.argv[1], () => process.stdout.write('x'))"

describe('P9: what crashed supervisors left in the runtime folder', () => {
  test('is removed where nobody has it any more, and nothing else is', async ({ scene }) => {
    const folder = join(scene.folder, 'runtime')
    mkdirSync(folder)
    const path = (name: string) => join(folder, name)
    const living = createServer().listen(path('slives.sock'))
    await once(living, 'listening')
    for (const name of ['sdead.sock', 'syoung.sock']) {
      const crashed = spawn(process.execPath, ['-e', listens, path(name)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(crashed.stdout, 'data')
      crashed.kill('SIGKILL')
      await once(crashed, 'exit')
    }
    for (const name of ['r1.1.end', 'r2.1.end', 'notes.txt', 'other.sock.txt']) writeFileSync(path(name), '')
    const monthAgo = new Date(Date.now() - 30 * 24 * 3_600_000)
    for (const name of ['slives.sock', 'sdead.sock', 'r1.1.end', 'notes.txt', 'other.sock.txt'])
      utimesSync(path(name), monthAgo, monthAgo)
    await cleanRuntimeFolder(folder)
    expect(readdirSync(folder).sort()).toEqual([
      'notes.txt',
      'other.sock.txt',
      'r2.1.end',
      'slives.sock',
      'syoung.sock',
    ])
    living.close()
    await cleanRuntimeFolder(join(scene.folder, 'nowhere'))
  })
})
