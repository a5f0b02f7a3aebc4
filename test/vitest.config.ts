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
    reporters: ['default', ['json', { outputFile: '../node_modules/.vitest/results.json' }]],
  },
})
