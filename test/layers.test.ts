import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, it } from 'vitest'

const src = new URL('../src', import.meta.url).pathname

/** Which folders each folder may import from; files at the top of src are the vocabulary that all share. */
const arrows: Record<string, readonly string[]> = {
  runs: [],
  containment: [],
  store: ['runs'],
  'supervisor/keeper': ['supervisor', 'containment', 'store', 'runs'],
  'supervisor/host': ['supervisor', 'containment', 'store', 'runs'],
  supervisor: ['containment', 'store', 'runs'],
  health: ['supervisor/host'],
  'doctor/inspector': ['doctor', 'supervisor/keeper', 'store', 'containment', 'runs'],
  doctor: ['supervisor/host', 'store', 'containment', 'runs'],
  cli: ['health', 'doctor', 'supervisor/host', 'containment', 'runs'],
}
const vocabulary = ['errors', 'proof', 'identity', 'identifiers', 'durations', 'sizes', 'timers', 'folders']
const faces = ['index', 'exec']

const files = readdirSync(src, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts'))

it('imports go along the arrows of the design and nowhere else', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => !allowed(file, target))
      .map((target) => `${file} imports ${target}`),
  )
  expect(wrong).toEqual([])
})

it('the store and the keeper’s rooms are reached from the host by types alone', () => {
  const wrong = files
    .filter((file) => ['supervisor/host', 'cli', 'doctor'].includes(roomOf(file)))
    .flatMap((file) => valueImportsOf(file).map((target) => `${file} imports ${target}`))
    // What a location means is a question to no store.
    .filter((line) => / imports (store|supervisor\/keeper)\/(?!location\.js)/.test(line))
  expect(wrong).toEqual([])
})

it('the platform is asked for in containment alone', () => {
  const asking = files.filter((file) => /process\.platform|os\.platform\(/.test(read(file)))
  expect(asking.filter((file) => !file.startsWith('containment/'))).toEqual([])
})

it('there is no drawer for the rest', () => {
  expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.ts$)/.test(file))).toEqual([])
})

function allowed(file: string, target: string): boolean {
  const from = roomOf(file)
  const to = roomOf(target)
  if (from === to || vocabulary.includes(target.replace(/\.js$/, ''))) return true
  if (from === '') return faces.includes(file.replace(/\.ts$/, ''))
  return arrows[from]?.includes(to) ?? false
}

function roomOf(file: string): string {
  const folder = dirname(file)
  if (folder === '.') return ''
  return Object.keys(arrows).find((room) => folder === room || folder.startsWith(`${room}/`)) ?? folder
}

function importsOf(file: string): string[] {
  return found(file, /(?:from|import)\s*\(?\s*'(\.[^']+)'/g)
}

function valueImportsOf(file: string): string[] {
  const statements = read(file).matchAll(/^(?:import|export)\s+(?!type\b)([^;'"]*?)\s*from\s+'(\.[^']+)'/gm)
  return [...statements]
    .filter(([, names]) => !/^\{(\s*type\s+\w+,?)+\s*\}$/.test(names ?? ''))
    .map(([, , target]) => normalize(join(dirname(file), target ?? '')))
}

function found(file: string, pattern: RegExp): string[] {
  return [...read(file).matchAll(pattern)].map(([, target]) => normalize(join(dirname(file), target ?? '')))
}

function read(file: string): string {
  return readFileSync(join(src, file), 'utf8')
}
