import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

/** What test/fixtures/tells-its-place.mjs tells. */
interface Told {
  readonly containment: string
  readonly proof: string
  readonly daemon: string
  readonly unguarded: string
  readonly pids: string
  readonly memory: string
  readonly cpus: string
  readonly orphans: string
}

const docs = new URL('../../docs/containers.md', import.meta.url)

/** The rows of the table of places in docs/containers.md. */
export function documentedPlaces(): string[] {
  return readFileSync(docs, 'utf8')
    .split('\n')
    .filter((line) => /^\| .* \| (`cgroup`|`guard`|`group`) \|/.test(line))
}

/** Prints the row of a place as the documentation has it, and fails where it has not. */
export function expectDocumented(place: string, first: string, json: string): void {
  const told = JSON.parse(json) as Told
  const limits =
    told.pids === 'refused'
      ? 'none'
      : told.cpus === 'refused'
        ? 'memory, processes'
        : 'memory, processes, processors'
  const cells = [
    place,
    first,
    `\`${told.containment}\``,
    `\`${told.proof}\``,
    limits,
    told.daemon,
    told.unguarded,
    told.orphans,
  ]
  const row = `| ${cells.join(' | ')} |`
  console.log(row)
  expect(documentedPlaces()).toContain(row)
  // Never halves: who holds one of the two holds the other as well.
  expect(told.memory).toBe(told.pids)
}
