import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** What every tree and every session is held to has a number; each test that holds one of them to it bears that number in its name. */
const cases = [
  ...Array.from({ length: 33 }, (_, i) => `${i + 1}`),
  '19a',
  '19b',
  '19c',
  '32a',
  '32b',
  '35',
  '36',
  '37',
  '37a',
  '38',
  '39',
  '40',
]

test('every case of these has a test that bears its number', () => {
  const folder = new URL('.', import.meta.url)
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /(\.test|exercise-\w+)\.ts$/.test(name))
  const names = files.flatMap((name) => [
    ...readFileSync(new URL(name, folder), 'utf8').matchAll(
      /\b(?:test|it|describe)\b[^'"`]*['"`](case [^'"`]*)/g,
    ),
  ])
  const borne = names.flatMap(([, name]) =>
    [...(name ?? '').matchAll(/case (\d+[a-z]?)\b/g)].map(([, number]) => number),
  )
  expect(cases.filter((number) => !borne.includes(number))).toEqual([])
})
