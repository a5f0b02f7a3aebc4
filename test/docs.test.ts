import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]

describe('the documentation', () => {
  test.each(pages)('%s links to what is there', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to)
    const broken = links.filter((to) => !/^https?:/.test(to) && !isThere(page, to))
    expect(broken).toEqual([])
  })

  test.each([
    ['openSupervisor', 'src/supervisor/host/supervisor-options.ts'],
    ['a run', 'src/supervisor/host/spec.ts'],
    ['exec', 'src/supervisor/host/exec-options.ts'],
  ])('names every option of %s', (_, file) => {
    const [, known = ''] = /^const known = \[(.*?)\]$/ms.exec(read(file)) ?? []
    const names = quotedIn(known)
    expect(names.length).toBeGreaterThan(5)
    expect(unnamedIn('docs/library.md', names)).toEqual([])
  })

  test('names every code of an error', () => {
    const [, union = ''] = /^export type ErrorCode =(.*?)^$/ms.exec(read('src/errors.ts')) ?? []
    const codes = quotedIn(union)
    expect(codes.length).toBeGreaterThan(15)
    expect(unnamedIn('docs/library.md', codes)).toEqual([])
  })

  test('names every option of the command', () => {
    const folder = 'src/cli/commands'
    const declared = readdirSync(join(root, folder)).map((name) => read(`${folder}/${name}`))
    const options = new Set(declared.join('\n').match(/(?<=')--[a-z-]+/g))
    expect(options.size).toBeGreaterThan(20)
    const text = read('docs/command.md')
    expect([...options].filter((option) => !text.includes(option))).toEqual([])
  })
})

function quotedIn(text: string): string[] {
  return [...text.matchAll(/'(\w+)'/g)].map(([, name = '']) => name)
}

/** Those that stand in no piece of code of the page. */
function unnamedIn(page: string, names: readonly string[]): string[] {
  const blocks = read(page).split(/^```.*$/m)
  const code = blocks.flatMap((block, at) => (at % 2 === 1 ? [block] : (block.match(/`[^`]+`/g) ?? [])))
  const words = new Set(code.join(' ').match(/\w+/g))
  return names.filter((name) => !words.has(name))
}

function isThere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : join(dirname(page), path)
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || anchorsOf(target).includes(anchor)
}

/** As GitHub makes them: lower case, without punctuation, with a hyphen for each space. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
