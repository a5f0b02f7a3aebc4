import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect } from 'vitest'
import { type Scene, test } from './support/scene.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const bundle = join(root, 'dist/bundle')
const { dependencies, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const run = promisify(execFile)

/** What is in the bundled files. */
function sources(): string[] {
  const files = readdirSync(bundle).filter((name) => name.endsWith('.js'))
  return files.map((file) => readFileSync(join(bundle, file), 'utf8'))
}

/** A project that has the package, as npm would lay it out, and of other packages what it asks for and no more. */
async function project(scene: Scene): Promise<string> {
  const modules = join(scene.folder, 'node_modules')
  mkdirSync(join(modules, '@types'), { recursive: true })
  // Without its scripts: they would build, and pull dist from under other tests.
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', scene.folder]
  const [packed] = JSON.parse((await run('npm', pack, { cwd: root })).stdout)
  await run('tar', ['-xzf', join(scene.folder, packed.filename), '-C', modules])
  const installed = join(modules, 'coppice')
  cpSync(join(modules, 'package'), installed, { recursive: true })
  for (const name of [...Object.keys(dependencies), '@types/node'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  // What npm runs once it has laid it out.
  await run(process.execPath, ['native-helpers/build.mjs'], { cwd: installed })
  writeFileSync(join(scene.folder, 'package.json'), '{ "type": "module" }')
  return installed
}

const program = `
import { isCoppiceError, openSupervisor } from 'coppice'
import { exec } from 'coppice/exec'

const supervisor = await openSupervisor({ state: 'packed.db', logLevel: 'debug' })
const ran = await supervisor.run({ session: 'a' }, async (run) => {
  const result = await run.exec('echo', ['in a run'])
  return \`\${result.stdout}\${result.tree.containment}\`
})
await supervisor.run({}, () => Promise.reject(new Error('thrown'))).catch((error) => console.log(error.message))
const refused = await (async () => supervisor.run({ session: '' }, () => 1))().catch((error) => isCoppiceError(error, 'invalid_option'))
await supervisor.close()
console.log(ran, refused, (await exec('echo', ['alone'])).stdout)
const group = await openSupervisor({ state: 'packed.db', containment: 'group' })
const ended = await group.run({ timeout: '1s', grace: 0 }, (run) => run.exec('sleep', ['600'])).catch((error) => error.name)
await group.close()
console.log(ended)
`

describe('the package, as it is installed', () => {
  test('works as a library and as a command, with what its package.json asks for alone', async ({
    scene,
  }) => {
    const installed = await project(scene)
    const kind = process.platform === 'linux' ? '(guard|cgroup)' : 'group'
    writeFileSync(join(scene.folder, 'program.mjs'), program)
    const library = await scene.node(['program.mjs'], { cwd: scene.folder }).exited
    expect(library.code, library.stderr).toBe(0)
    expect(library.stdout).toMatch(new RegExp(`^thrown\nin a run\n${kind} true alone\n\nTimeoutError\n$`))

    const command = join(installed, 'dist/bundle/coppice.js')
    expect(await scene.node([command, '--version']).exited).toMatchObject({ code: 0, stdout: `${version}\n` })
    const ran = scene.node([command, 'run', '--session', 'a', '--', 'sh', '-c', 'echo from a tree; exit 3'])
    expect(await ran.exited).toEqual({ code: 3, signal: null, stdout: 'from a tree\n', stderr: '' })
    const sessions = await scene.node([command, 'sessions', '--json']).exited
    expect(JSON.parse(sessions.stdout)).toMatchObject([{ session: 'a', state: 'free' }])
  })

  test('has every declaration that its own name', async ({ scene }) => {
    await project(scene)
    writeFileSync(join(scene.folder, 'program.ts'), program)
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node']
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const compiled = scene.node([compiler, ...strict, 'program.ts'], { cwd: scene.folder })
    expect(await compiled.exited).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
  })

  test('a bundled file loads Node’s own modules, its neighbours, and declared dependencies', () => {
    const statements = /^\s*(?:import|export)\b[^;'"]*?\bfrom\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm
    const loaded = sources().flatMap((source) =>
      [...source.matchAll(statements)].map(([, one, other]) => one ?? other ?? ''),
    )
    expect(loaded).toContain('pino')
    const others = loaded.filter((name) => !name.startsWith('./') && !isBuiltin(name))
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(others))
  })

  test('what a bundled file starts or reads lies where it looks for it', () => {
    const places = sources().flatMap((source) =>
      [...source.matchAll(/new URL\(["`](\.[^"`$]*)/g)].map(([, path]) => path ?? ''),
    )
    expect(places).toEqual(expect.arrayContaining(['./supervisor-keeper-main.js', '../../package.json']))
    // What is built for the machine is not there for every machine.
    const missing = places.filter(
      (path) => !path.includes('/native-helpers/build/') && !existsSync(join(bundle, path)),
    )
    expect(missing).toEqual([])
    expect(places.filter((path) => path.endsWith('.js') && !path.startsWith('./'))).toEqual([])
  })

  test('every library in the bundle comes with its licence', () => {
    const licences = readFileSync(join(bundle, 'LICENSES'), 'utf8')
    for (const name of ['cockatiel', 'commander', 'execa', 'ms', 'signal-exit', 'tree-kill'])
      expect(licences).toMatch(new RegExp(`^${name} \\d.*\\((MIT|ISC)\\)$`, 'm'))
  })
})

test('the version is told by one file alone: nothing else is loaded for it', async ({ scene }) => {
  const copy = join(scene.folder, 'dist/bundle/coppice.js')
  mkdirSync(join(copy, '..'), { recursive: true })
  cpSync(join(bundle, 'coppice.js'), copy)
  cpSync(join(root, 'package.json'), join(scene.folder, 'package.json'))
  expect(await scene.node([copy, '--version']).exited).toMatchObject({
    code: 0,
    stdout: `${version}\n`,
    stderr: '',
  })
  expect((await scene.node([copy, '--help']).exited).stderr).toMatch(/ERR_MODULE_NOT_FOUND/)
})
