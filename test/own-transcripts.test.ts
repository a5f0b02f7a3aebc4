import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect } from 'vitest'
import { eventually } from './support/eventually.ts'
import { type Scene, type Started, test } from './support/scene.ts'

const root = new URL('..', import.meta.url)
const [files = '', gateway = ''] = [
  ...readFileSync(new URL('docs/own-transcripts.md', root), 'utf8').matchAll(/```js\n(.*?)```/gs),
].map(([, code]) => code ?? '')
const index = pathToFileURL(fileURLToPath(new URL('dist/bundle/index.js', root))).href

/** A model that has a tool used, and then answers; it says `asked TEXT` for each message, and does not answer the first `hang`. */
const model = `
import { existsSync, writeFileSync } from 'node:fs'
export async function askModel(lines) {
  const last = lines.findLast(({ entry }) => entry?.role === 'user').entry
  if (lines.at(-1).entry?.role === 'tool') return { text: 'done with ' + last.text, calls: [] }
  const command = last.text === 'hang' && !existsSync('hung') ? 'touch ready; exec sleep 600' : 'echo used'
  if (command.includes('sleep')) writeFileSync('hung', '')
  const id = 'call-' + lines.length
  return { text: '', calls: [{ id, command: 'bash', args: ['-c', command] }, { id: id + '-b', command: 'true', args: [] }] }
}`

/** Takes its orders, \`SESSION ID TEXT\`, says what it is at, and is killed where \`KILL\` says. */
const driver = `
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { supervisor, take, transcripts } from './gateway.mjs'
const { KILL, SLOW } = process.env
const [write, end] = [transcripts.write.bind(transcripts), transcripts.end.bind(transcripts)]
const dies = (where) => { if (KILL === where) process.kill(process.pid, 'SIGKILL') }
transcripts.write = async (session, line, before) => {
  await write(session, line, before)
  if (line.entry !== undefined) {
    console.log('wrote ' + session + ' ' + line.entry.role)
    dies('after ' + line.entry.role)
  }
}
transcripts.end = async (ending) => {
  dies('before its ending')
  if (SLOW) await sleep(Number(SLOW))
  await end(ending)
  dies('after its ending')
  if (ending.outcome.state === 'succeeded') console.log('told ' + ending.request.id)
}
createInterface({ input: process.stdin }).on('line', async (line) => {
  if (line === 'close') return supervisor.close({ drain: '10s' }).then(() => process.exit(0))
  const [session, id, text] = line.split(' ')
  await take(session, id, { text }).accepted
  console.log('accepted ' + id)
})
console.log('open')`

/** The commands of the run that goes on, as they are stored. */
async function launched(scene: Scene): Promise<string[]> {
  const { stdout } = await scene.coppice([
    'ps',
    '--tree',
    '--json',
    '--state',
    join(scene.folder, 'coppice.db'),
  ]).exited
  const [run]: { trees: { command: string[] }[] }[] = JSON.parse(stdout)
  return (run?.trees ?? []).map(({ command }) => command.join(' '))
}

interface Line {
  readonly run: string
  readonly fence: number
  readonly entry?: { readonly role: string; readonly request?: string; readonly calls?: { id: string }[] }
  readonly ending?: { readonly state: string; readonly results: { callId: string; ended: string }[] }
}

function writeModules(scene: Scene, change: (code: string) => string = (code) => code): void {
  const modules = {
    'transcripts.mjs': files,
    'gateway.mjs': change(gateway).replace("'coppice'", `'${index}'`),
    'model.mjs': model,
    'driver.mjs': driver,
  }
  for (const [name, code] of Object.entries(modules)) writeFileSync(join(scene.folder, name), code)
}

async function start(scene: Scene, env: NodeJS.ProcessEnv = {}): Promise<Started> {
  const options = { cwd: scene.folder, env, stdin: 'pipe' } as const
  const started = scene.node([join(scene.folder, 'driver.mjs')], options)
  return started
}

const say = ({ child }: Started, line: string) => child.stdin?.write(`${line}\n`)

const folder = (scene: Scene) => join(scene.folder, 'transcripts')

/** As it stands, whatever a reader would make of it; what was cut short is left out. */
function linesOf(scene: Scene, session: string): Line[] {
  return readFileSync(join(folder(scene), `${session}.jsonl`), 'utf8')
    .split('\n')
    .flatMap((line): Line[] => {
      try {
        return [JSON.parse(line)]
      } catch {
        return []
      }
    })
}

/** Each run ended once, and nothing stands behind its ending. */
function judge(lines: readonly Line[]): void {
  const ended = new Set<string>()
  for (const { run, ending } of lines) {
    expect(ended.has(run), `a line of run ${run} behind its ending`).toBe(false)
    if (ending !== undefined) ended.add(run)
  }
  expect([...new Set(lines.map(({ run }) => run))].filter((run) => !ended.has(run))).toEqual([])
  const fences = lines.map(({ fence }) => fence)
  expect(fences).toEqual(fences.toSorted((a, b) => a - b))
}

/** Of requests whose run succeeded: how often. */
function answered(lines: readonly Line[]): string[] {
  const good = new Set(lines.flatMap(({ run, ending }) => (ending?.state === 'succeeded' ? [run] : [])))
  return lines.flatMap(({ run, entry }) =>
    entry?.request !== undefined && good.has(run) ? [entry.request] : [],
  )
}

describe('the recipe for transcripts of one’s own', () => {
  const moments = ['after user', 'after assistant', 'after tool', 'before its ending', 'after its ending']

  test.for(moments)('P2, P8: its gateway is killed %s', async (moment, { scene }) => {
    writeModules(scene)
    const killed = await start(scene, { KILL: moment })
    await killed.lines.after('open')
    for (const line of ['a 1 hello', 'a 2 again', 'b 3 hello']) say(killed, line)
    expect((await killed.exited).signal).toBe('SIGKILL')
    // What a kill leaves of a line that was being written.
    for (const name of readdirSync(folder(scene)))
      if (moment !== 'after its ending') appendFileSync(join(folder(scene), name), '{"run":"cut sho')

    const next = await start(scene)
    await next.lines.after('open')
    // Whoever was not answered sends it again: it is the same one.
    for (const line of ['a 1 hello', 'a 2 again', 'b 3 hello']) say(next, line)
    for (const id of ['1', '2', '3']) {
      await next.lines.after(`accepted ${id}`)
      // It may be told before the driver is there to say so: the file says it.
      await eventually(() => answered(linesOf(scene, id === '3' ? 'b' : 'a')).includes(id))
    }
    say(next, 'close')
    expect(await next.exited).toMatchObject({ code: 0, stderr: '' })
    for (const session of ['a', 'b']) judge(linesOf(scene, session))
    expect(answered(linesOf(scene, 'a')).toSorted()).toEqual(['1', '2'])
    expect(answered(linesOf(scene, 'b'))).toEqual(['3'])
  })

  test('P2, P5: a tool is under way when it is killed: each call has its true end', async ({ scene }) => {
    writeModules(scene)
    const killed = await start(scene)
    await killed.lines.after('open')
    say(killed, 'a 1 hang')
    await eventually(() => existsSync(join(scene.folder, 'ready')))
    // The tool runs a moment before that is stored; who dies in that moment leaves nobody to know.
    await eventually(async () => (await launched(scene)).some((command) => command.includes('sleep')))
    killed.child.kill('SIGKILL')
    await killed.exited
    const next = await start(scene)
    await eventually(() => answered(linesOf(scene, 'a')).includes('1'))
    say(next, 'close')
    await next.exited
    const lines = linesOf(scene, 'a')
    judge(lines)
    const [lost, good] = lines.flatMap(({ ending }) => (ending === undefined ? [] : [ending]))
    expect(lost).toMatchObject({ state: 'lost', results: [{ callId: 'call-1' }, { callId: 'call-1-b' }] })
    expect(lost?.results[0]?.ended).toBe('lost')
    // The second one is a moment's work, of which the kill may have kept the end from being stored.
    expect(lost?.results[1]?.ended).toMatch(/^(lost|exited|not known to have begun)$/)
    expect(good).toMatchObject({ state: 'succeeded', results: [] })
  })

  test('before: next-run is what keeps the ending before the next run: without it that is faster', async ({
    scene,
  }) => {
    const roles = async (change: (code: string) => string, session: string) => {
      writeModules(scene, change)
      const gateway = await start(scene, { SLOW: '300' })
      await gateway.lines.after('open')
      say(gateway, `${session} ${session}1 hello`)
      say(gateway, `${session} ${session}2 hello`)
      await gateway.lines.after(`told ${session}2`)
      say(gateway, 'close')
      await gateway.exited
      return linesOf(scene, session).map(({ entry, ending }) => entry?.role ?? ending?.state)
    }
    const run = ['user', 'assistant', 'tool', 'assistant']
    expect(await roles((code) => code, 'a')).toEqual([...run, 'succeeded', ...run, 'succeeded'])
    const without = await roles((code) => code.replace(", before: 'next-run'", ''), 'b')
    expect(without.slice(0, 5)).toEqual([...run, 'user'])
  })

  test('P6: who reads leaves out what was written too late', async ({ scene }) => {
    writeModules(scene)
    const { Transcripts } = await import(pathToFileURL(join(scene.folder, 'transcripts.mjs')).href)
    const transcripts = new Transcripts(scene.folder)
    const lines = [
      { run: 'a', fence: 1, entry: { n: 1 } },
      { run: 'a', fence: 2, ending: {} },
      { run: 'a', fence: 1, entry: { n: 'late' } },
      { run: 'a', fence: 2, ending: {} },
      { run: 'b', fence: 3, entry: { n: 2 } },
      { run: 'c', fence: 2, entry: { n: 'of one that lost its session' } },
    ]
    for (const line of lines) await transcripts.write('s', line)
    expect(await transcripts.read('s')).toEqual([lines[0], lines[1], lines[4]])
    const lost = { check: () => Promise.reject(new Error('lost')), session: 's', id: 'c', fence: 2 }
    await expect(transcripts.append(lost, {})).rejects.toThrow('lost')
    expect(await transcripts.read('none')).toEqual([])
  })
})
