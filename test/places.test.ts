import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { documentedPlaces } from './beds/places.ts'

/** What the beds print, so that no row of the documentation is without the test that prints it. */
const containers = ['container, defaults', 'container, hardened'].flatMap((place) =>
  ['tini', 'docker-init', 'node'].map((first) => `${place} | ${first}`),
)
const printed = [
  ...containers,
  'container, hardened, without the native helper | tini',
  'container, writable cgroup | an init',
  'host | its own',
  'host, cgroup v2 without controllers | its own',
  'host, without the native helper | its own',
  'service, delegated cgroup | its own',
]

test('the table of places has a row for each place that is measured, and no other', () => {
  const documented = documentedPlaces().map((row) => row.split(' | ').slice(0, 2).join(' | ').slice(2))
  expect(documented.toSorted()).toEqual(printed.toSorted())
})

test('each place has a test that prints its row', () => {
  const beds = ['docker/places.test.ts', 'cgroup/inside/places.test.ts'].map((name) =>
    readFileSync(new URL(`beds/${name}`, import.meta.url), 'utf8'),
  )
  for (const row of printed) expect(beds.join()).toContain(`'${row.split(' | ')[0]}'`)
})
