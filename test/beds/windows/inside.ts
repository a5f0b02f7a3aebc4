// Runs test files in Windows' Node by vitest's own runner: vitest itself needs programs of its own there, and more of
// Windows than Wine has. Of one that is left out as a whole the tests are counted.
//
//   node inside.ts RESULTS FILE...
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import type { RunnerTestFile as File, RunnerTask as Task, RunnerTestCase as Test } from 'vitest'
import { leftOut } from './left-out.ts'

const [results = '', ...filepaths] = process.argv.slice(2)
const root = fileURLToPath(new URL('../../', import.meta.url))
const nameOf = (filepath: string) => relative(root, filepath).replaceAll('\\', '/').replace(/\.js$/, '.ts')

const config = {
  root,
  testTimeout: 120_000,
  hookTimeout: 60_000,
  maxConcurrency: 5,
  retry: 0,
  allowOnly: false,
  sequence: { hooks: 'stack', setupFiles: 'list', concurrent: false, seed: 1 },
  setupFiles: [],
  chaiConfig: {},
  diffOptions: {},
  expect: {},
  tags: [],
  snapshotOptions: {},
  experimental: {},
}
Object.assign(globalThis, {
  __vitest_worker__: {
    config,
    environment: { name: 'node' },
    ctx: {},
    rpc: {},
    durations: {},
    metaEnv: process.env,
  },
})

const runner = {
  config,
  importFile: (path: string) => import(pathToFileURL(path).href),
  onCollected(files: File[]) {
    for (const test of files.flatMap(testsIn)) if (whyLeftOut(test) !== null) test.mode = 'skip'
  },
  onAfterRunTask(test: Test) {
    const milliseconds = Math.round(test.result?.duration ?? 0)
    process.stdout.write(`${test.result?.state ?? test.mode} ${milliseconds} ${fullName(test)}\n`)
    for (const { message, stack, actual } of test.result?.errors ?? []) {
      process.stdout.write(`  ${message}\n  ${stack}\n`)
      if (actual !== undefined) process.stdout.write(`  there was: ${inspect(actual, { depth: 6 })}\n`)
    }
  },
} as const

// An open supervisor keeps no program running, and so no test that waits for one's event.
const stay = setInterval(() => {}, 2 ** 31 - 1)
await import('vitest')
const { startTests } = (await import('vitest/internal/browser')) as unknown as {
  startTests(files: Array<{ filepath: string }>, runner: object): Promise<File[]>
}
const files = await startTests(
  filepaths.map((filepath) => ({ filepath })),
  runner,
)
writeFileSync(results, JSON.stringify(resultsOf(files)))
clearInterval(stay)
// What a test has left open is not to keep the bed waiting.
process.exit(0)

function resultsOf(files: readonly File[]) {
  const tests = files.flatMap(testsIn)
  const count = (state: string) => tests.filter(({ result }) => result?.state === state).length
  const broken = files.filter((file) => (file.result?.errors?.length ?? 0) > 0)
  const failed = count('fail') + broken.length
  return {
    numPassedTests: count('pass'),
    numFailedTests: failed,
    numPendingTests: tests.length - count('pass') - count('fail'),
    numTotalTests: tests.length + broken.length,
    success: failed === 0,
    testResults: files.map((one) => ({
      name: nameOf(one.filepath),
      status: one.result?.state === 'fail' ? 'failed' : 'passed',
      message: one.result?.errors?.map(({ message }) => message).join('; ') ?? '',
      assertionResults: testsIn(one).map((test) => ({
        fullName: fullName(test),
        status:
          test.result?.state === 'pass' ? 'passed' : test.result?.state === 'fail' ? 'failed' : 'pending',
        failureMessages: test.result?.errors?.map(({ message }) => message) ?? [],
        reason: whyLeftOut(test),
      })),
    })),
  }
}

function testsIn(task: Task): Test[] {
  return task.type === 'test' ? [task] : task.tasks.flatMap(testsIn)
}

function whyLeftOut(test: Test): string | null {
  return leftOut(nameOf(test.file.filepath), fullName(test))
}

function fullName(task: Task): string {
  return task.suite && task.suite !== task.file ? `${fullName(task.suite)} ${task.name}` : task.name
}
