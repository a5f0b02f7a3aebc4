import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** The core without further ado; a bed, which takes longer or needs more than Node, by its file: `vitest run beds/zoo`. */
const beds = process.argv.some((argument) => argument.includes('beds/')) ? [] : ['beds/**']

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    exclude: beds,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // They wait for processes most of the time: one for each processor would leave it idle.
    maxWorkers: availableParallelism() + 2,
    reporters: ['default', ['json', { outputFile: '../node_modules/.vitest/results.json' }]],
  },
})
