import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Results, resultsOf, sum } from '../results.ts'
import { type Machine, runInMachine } from './machine.ts'

/** What the bed says is true also where its machine does not do as it was told: nothing that did not run counts as passed. */
describe('a machine', () => {
  const one = { name: 'one', user: 0, files: ['sizes.test.ts'] }
  const said: string[] = []
  const run = (machine: Partial<Machine>): Promise<Results[]> => {
    said.length = 0
    return runInMachine({ suites: [one], bound: 60_000, ...machine }, (line) => said.push(line))
  }

  test('that runs a suite brings its counts back, and what it said', async () => {
    const [results] = await run({})
    expect(results).toMatchObject({ success: true, numFailedTests: 0 })
    expect(results?.numPassedTests).toBeGreaterThan(0)
    expect(said).toContainEqual(expect.stringMatching(/Tests +\d+ passed/))
    expect(results?.lost).toBeUndefined()
  })

  test('that panics has failed once for each suite that it lost', async () => {
    const results = await run({ suites: [one, { ...one, name: 'two' }], before: 'exit 1' })
    expect(results).toMatchObject([
      { success: false, numPassedTests: 0, numFailedTests: 1 },
      { success: false, numPassedTests: 0, numFailedTests: 1 },
    ])
    expect(results[0]?.lost).toMatch(/^one brought no results back: the machine ended with /)
    expect(said.join('\n')).toContain('Kernel panic')
  })

  test('that hangs is turned off after its bound, and has failed', async () => {
    const before = performance.now()
    const results = await run({ bound: 6_000, before: 'while :; do sleep 1; done' })
    expect(performance.now() - before).toBeLessThan(20_000)
    expect(results).toMatchObject([{ success: false, numPassedTests: 0, numFailedTests: 1 }])
    expect(results[0]?.lost).toBe('one brought no results back: the machine was turned off after 6 s')
  })

  test('in which no file matches has failed', async () => {
    const [results] = await run({ suites: [{ ...one, files: ['no-such-file'] }] })
    expect(results).toMatchObject({ success: false, numPassedTests: 0, numFailedTests: 1 })
  })

  describe('with a test that fails', () => {
    let folder: string
    beforeAll(() => {
      folder = mkdtempSync(join(import.meta.dirname, 'failing-'))
      const lines =
        "import { expect, test } from 'vitest'\ntest('passes', () => {})\ntest('fails', () => expect(1).toBe(2))\n"
      writeFileSync(join(folder, 'one.test.ts'), lines)
    })
    afterAll(() => rmSync(folder, { recursive: true }))

    test('says so', async () => {
      const [results] = await run({ suites: [{ ...one, files: [folder.slice(folder.indexOf('beds/'))] }] })
      expect(results).toMatchObject({ success: false, numPassedTests: 1, numFailedTests: 1 })
    })
  })
})

describe('results', () => {
  const good = {
    numPassedTests: 2,
    numFailedTests: 0,
    numPendingTests: 1,
    numTotalTests: 3,
    success: true,
    testResults: [1],
  }

  test('that are cut short, or of nothing, are a failure', () => {
    for (const json of ['{"numPassedTests":', JSON.stringify({ ...good, numTotalTests: 0 }), null]) {
      expect(resultsOf('one', json, 'ended')).toMatchObject({
        success: false,
        numPassedTests: 0,
        numFailedTests: 1,
      })
    }
  })

  test('of a file that could not be loaded are a failure beside what passed', () => {
    expect(resultsOf('one', JSON.stringify({ ...good, success: false }), 'ended')).toMatchObject({
      success: false,
      numPassedTests: 2,
      numFailedTests: 1,
    })
  })

  test('add up, and one failure is the whole’s', () => {
    expect(sum([good, good])).toEqual({
      ...good,
      numPassedTests: 4,
      numPendingTests: 2,
      numTotalTests: 6,
      testResults: [1, 1],
    })
    expect(sum([good, { ...good, success: false }]).success).toBe(false)
  })
})
