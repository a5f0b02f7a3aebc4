/** Case 32: whatever is the matter with the state file is told with its name, and nothing is half done. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isCoppiceError } from '#src/errors.js'
import { openStore } from '#src/store/open.js'
import { Scene, temporaryFolder } from './scene.ts'

async function sceneAt(path: string): Promise<Scene> {
  const scene = new Scene(await openStore(path), path)
  onTestFinished(() => scene.store.close())
  await scene.supervisor('s1')
  return scene
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

function makeDatabase(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

/** Refused with this code and a message that names the path, and left as it was, byte for byte. */
async function expectRefusedUntouched(path: string, code: string, message: RegExp): Promise<void> {
  const before = await readFile(path)
  const error = await openStore(path).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code, path })
  expect(String(error)).toContain(path)
  expect(String(error)).toMatch(message)
  expect(await readFile(path)).toEqual(before)
}

async function run(program: string, ...parameters: string[]): Promise<string> {
  const path = join(import.meta.dirname, 'programs', program)
  const child = spawn(process.execPath, [path, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
  return output
}

describe('opening', () => {
  it('makes folders and file for this user only, and the WAL with them', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'one', 'two', 'coppice.db')
    await sceneAt(path)
    expect(await modeOf(join(folder, 'one'))).toBe('700')
    expect(await modeOf(join(folder, 'one', 'two'))).toBe('700')
    for (const name of [path, `${path}-wal`, `${path}-shm`]) expect(await modeOf(name)).toBe('600')
  })

  it('leaves the mode of a folder that is there', async () => {
    const folder = join(await temporaryFolder(), 'shared')
    await mkdir(folder)
    await chmod(folder, 0o755)
    await sceneAt(join(folder, 'coppice.db'))
    expect(await modeOf(folder)).toBe('755')
  })

  it('takes an empty file, and a file: URL', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    await writeFile(path, '')
    const store = await openStore(pathToFileURL(path).href)
    expect(store.location).toBe(path)
    await store.close()
  })

  it('opens the same file many times at once, new as it is', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(path)))
    for (const store of stores) await store.close()
  })

  it('makes nothing where only a state that is there was asked for', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'missing', 'coppice.db')
    const error = await openStore(path, { create: false }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'store_unavailable', path, cause: { code: 'ENOENT' } })
    await expect(stat(join(folder, 'missing'))).rejects.toThrow('ENOENT')
  })

  it.each([
    ['postgres://me:secret@db/agents', /postgres: is not supported/],
    ['http://example.com/x', /http: is not supported/],
    ['', /give the path of a file/],
    ['file://elsewhere/x', /names no file of this machine/],
  ])('refuses the location %j, and tells no password', async (location, message) => {
    const error = await openStore(location).catch((reason: unknown) => reason)
    expect(isCoppiceError(error, 'invalid_option')).toBe(true)
    expect(String(error)).toMatch(message)
    expect(String(error)).not.toContain('secret')
  })
})

describe('case 32: a file that is not ours', () => {
  it.each([
    ['text', Buffer.from('dear diary,\n'.repeat(1_000))],
    ['one line', Buffer.from('x')],
    ['random bytes', randomBytes(100_000)],
  ])('is refused as it is: %s', async (_, bytes) => {
    const path = join(await temporaryFolder(), 'coppice.db')
    await writeFile(path, bytes)
    await expectRefusedUntouched(path, 'store_unavailable', /is not a database/)
  })

  it.each([
    ['no application', 'CREATE TABLE notes (text)'],
    ['another application', 'PRAGMA application_id = 1234; CREATE TABLE notes (text)'],
    [
      'another that uses a WAL',
      'PRAGMA journal_mode = WAL; CREATE TABLE notes (text); INSERT INTO notes VALUES (1)',
    ],
  ])('is refused as it is: a database of %s', async (_, sql) => {
    const path = join(await temporaryFolder(), 'coppice.db')
    makeDatabase(path, sql)
    await expectRefusedUntouched(path, 'store_unavailable', /belongs to another program/)
  })

  it('is refused as it is: a state of a later version', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    await (await openStore(path)).close()
    makeDatabase(path, 'PRAGMA user_version = 2')
    await expectRefusedUntouched(path, 'store_too_new', /has schema 2, and this coppice knows 1/)
  })

  it.each(['folder', 'file in the way', 'no right'])('is refused by name: %s', async (what) => {
    const folder = await temporaryFolder()
    if (what === 'folder') {
      await expect(openStore(folder)).rejects.toThrow(`${folder} is a folder: name a file in it`)
    } else if (what === 'file in the way') {
      await writeFile(join(folder, 'file'), '')
      await expect(openStore(join(folder, 'file', 'coppice.db'))).rejects.toMatchObject({
        code: 'store_unavailable',
        message: expect.stringContaining('a part of its path is a file'),
      })
    } else {
      const path = join(folder, 'coppice.db')
      await (await openStore(path)).close()
      await chmod(folder, 0o555)
      // What an ordinary user has closed cannot be removed afterwards, either.
      onTestFinished(() => chmod(folder, 0o755))
      await chmod(path, 0o444)
      const told = JSON.parse(await run('opens-as-nobody.mjs', path))
      expect(told).toMatchObject({ code: 'store_unavailable', path })
      expect(told.message).toMatch(/must be readable and writable by this user/)
    }
  })

  it.skipIf(!existsSync('/proc/self'))('is refused by name: a folder in which nobody makes any', async () => {
    const path = '/proc/coppice/coppice.db'
    await expect(openStore(path)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: `the state file ${path} cannot be made, nor its folder: check the path`,
    })
  })

  it('is told by name where it is damaged', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    const scene = new Scene(await openStore(path), path)
    await scene.supervisor('s1')
    for (let at = 0; at < 50; at++) await scene.pass('k', ['x'.repeat(1_000)])
    await scene.store.close()
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(0xa5, 8_192))
    const outcome = await sceneAt(path)
      .then(({ store }) => store.transcript('k', {}))
      .catch((error: unknown) => error)
    expect(outcome).toMatchObject({
      code: 'store_unavailable',
      path,
      message: expect.stringContaining('is damaged'),
    })
  })

  it.each(['damaged', 'of a later version', 'read-only'])(
    'is used again, with all that was acknowledged, when it is whole again: %s',
    async (what) => {
      const folder = await temporaryFolder()
      const path = join(folder, 'coppice.db')
      const scene = new Scene(await openStore(path), path)
      await scene.supervisor('s1')
      await scene.pass('k', ['kept'])
      await scene.store.close()
      const bytes = await readFile(path)
      if (what === 'damaged') await writeFile(path, Buffer.from(bytes).fill(0xa5, 0, 4_096))
      else if (what === 'of a later version') makeDatabase(path, 'PRAGMA user_version = 99')
      else {
        await chmod(folder, 0o555)
        onTestFinished(() => chmod(folder, 0o755))
        await chmod(path, 0o444)
      }
      const refused =
        what === 'read-only'
          ? JSON.parse(await run('opens-as-nobody.mjs', path))
          : await openStore(path).catch((error: unknown) => error)
      expect(refused).toMatchObject({ path, message: expect.stringContaining(path) })
      await chmod(folder, 0o755)
      await chmod(path, 0o600)
      if (what !== 'read-only') await writeFile(path, bytes)
      const again = await sceneAt(path)
      expect(await again.store.transcript('k', {})).toMatchObject([{ entry: 'kept' }, { kind: 'ending' }])
      await again.finish(await again.hold('again', 'k'))
    },
  )
})

describe('case 32: a file that is taken away while in use', () => {
  it.each([
    ['deleted', (path: string) => rename(path, `${path}.away`), 'was deleted or moved away'],
    [
      'replaced',
      async (path: string) => {
        await rename(path, `${path}.away`)
        await writeFile(path, '')
      },
      'was replaced by another file',
    ],
  ])('is told to reads and writes when %s, and they go on when it is back', async (_, takeAway, message) => {
    const path = join(await temporaryFolder(), 'coppice.db')
    const scene = await sceneAt(path)
    const hold = await scene.hold('a', 'k')
    await takeAway(path)
    for (const call of [
      () => scene.append(hold, 0, 'lost'),
      () => scene.store.run('a'),
      () => scene.finish(hold),
    ]) {
      const error = await call().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'store_unavailable', path })
      expect(String(error)).toContain(message)
    }
    await rename(`${path}.away`, path)
    await scene.append(hold, 0, 'kept')
    expect(await scene.store.transcript('k', {})).toMatchObject([{ entry: 'kept' }])
  })

  it('is told at once when only the WAL is deleted, replaced or moved, and its name with another folder’s is not enough', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'state', 'coppice.db')
    const scene = await sceneAt(path)
    const wal = `${path}-wal`
    const hold = await scene.hold('a', 'k')
    const told = async (what: string) => {
      const error = await scene.append(hold, 0, 'lost').catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'store_unavailable', path })
      expect(String(error)).toContain(`coppice.db-wal was ${what}`)
    }
    await scene.append(hold, 0, 'first')
    await rename(wal, `${wal}.away`)
    await told('deleted')
    await writeFile(wal, '')
    await told('replaced')
    await rename(`${wal}.away`, wal)
    await scene.append(hold, 1, 'second')
    // The folder has another name for a moment, and a link leads from the old one.
    await rename(join(folder, 'state'), join(folder, 'moved'))
    await symlink('moved', join(folder, 'state'))
    await scene.append(hold, 2, 'third')
    expect(await scene.store.transcript('k', {})).toMatchObject([
      { entry: 'first' },
      { entry: 'second' },
      { entry: 'third' },
    ])
    await rm(wal)
    await told('deleted')
  })

  it('case 32a: a backup from within the process loses acknowledged commits, which the store tells', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'state', 'coppice.db')
    const scene = await sceneAt(path)
    await scene.pass('k')
    const unguarded = new DatabaseSync(path)
    onTestFinished(() => unguarded.close())
    unguarded.exec(`INSERT INTO sessions (key) VALUES ('before')`)
    // It closes descriptors of the files, with which all of SQLite's locks on them are gone. So the next program
    // that closes the database takes itself for the last one and deletes the WAL that is in use here.
    await cp(join(folder, 'state'), join(folder, 'backup'), { recursive: true })
    const keys = 'SELECT key FROM sessions ORDER BY id'
    expect(JSON.parse(await run('asks.mjs', path, keys))).toEqual([{ key: 'k' }, { key: 'before' }])
    unguarded.exec(`INSERT INTO sessions (key) VALUES ('acknowledged')`)
    expect(JSON.parse(await run('asks.mjs', path, keys))).toEqual([{ key: 'k' }, { key: 'before' }])
    for (const call of [() => scene.pass('k'), () => scene.store.sessions()]) {
      const error = await call().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'store_unavailable', path })
      expect(String(error)).toMatch(/coppice\.db-wal was (deleted|replaced)/)
    }
  })

  it('stays whole where other processes open and close it', async () => {
    const path = join(await temporaryFolder(), 'coppice.db')
    const scene = await sceneAt(path)
    await scene.pass('k')
    await run('asks.mjs', path, 'SELECT 1')
    await scene.pass('k')
    expect(await scene.store.transcript('k', {})).toHaveLength(2)
  })
})
