import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../test/fixtures/zoo/', import.meta.url))

execFileSync(process.execPath, [`${folder}build.mjs`], { stdio: 'inherit' })

/** A hostile program of the tests', which says `ready` when all of it is in position, and ends itself in a minute. */
export function program(name: string): string {
  return `${folder}bin/${name}`
}

/** The processes that it announces, once it is ready. */
export async function announced(lines: AsyncIterable<string>): Promise<number[]> {
  const pids: number[] = []
  for await (const line of lines) {
    if (line === 'ready') return pids
    pids.push(Number(/^process (\d+)$/.exec(line)?.[1]))
  }
  throw new Error('the program ended before it was ready')
}
