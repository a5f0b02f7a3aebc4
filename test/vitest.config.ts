import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The core without further ado; a bed, which takes longer or needs more than Node, by its file: `vitest run beds/zoo`. */
const beds = process.argv.some((argument) => argument.includes('beds/')) ? [] : ['beds/**']

const results =
  process.env.VITEST_RESULTS ?? join(import.meta.dirname, '../node_modules/.vitest/results.json')

/** They wait for half a minute each: the last to begin would have the processors wait with it. */
const longest = [
  'supervisor/killed',
  'supervisor/stalls',
  'examples/gateway',
  'containment/guard',
  'supervisor/shutdown',
  'supervisor/stopping',
  'supervisor/taking-over',
  'supervisor/trouble',
  'supervisor/waiters',
  'cli/run',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) =>
      longest.some((name) => moduleId.endsWith(`/${name}.test.ts`))
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    exclude: beds,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // They wait for processes most of the time: one for each processor would leave it idle.
    maxWorkers: availableParallelism() + 2,
    reporters: ['default', ['json', { outputFile: results }]],
  },
})
