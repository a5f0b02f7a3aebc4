import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from 'coppice/exec'
import { type Results, resultsOf, sum } from './results.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const file = process.env.VITEST_RESULTS ?? join(root, 'node_modules/.vitest/results.json')

/** Whether all is well: writes what came of all of a bed's suites to where vitest writes its results, and says it. */
export function summarize(bed: string, all: readonly Results[]): boolean {
  for (const { lost } of all) if (lost !== undefined) console.error(`coppice: ${bed} bed: ${lost}`)
  const total = sum(all)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(total))
  const { numPassedTests, numFailedTests, numPendingTests } = total
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
  return total.success && numFailedTests === 0 && numPassedTests > 0
}

/** Runs a bed's own tests by a vitest out here, for at most so many milliseconds. */
export async function runOutHere(
  name: string,
  files: readonly string[],
  bound: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Results> {
  rmSync(file, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--config', join(root, 'test/vitest.config.ts'), ...files]
  const bed = exec(process.execPath, args, { timeout: bound, env })
  for await (const line of bed) console.log(`${name}: ${line}`)
  const { ended, exit, stderr } = await bed
  console.error(stderr)
  return resultsOf(name, readIfThere(file), `its vitest ended as ${ended} with ${exit.signal ?? exit.code}`)
}

export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
