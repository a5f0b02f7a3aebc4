// Runs the tests of Windows in a Windows of Wine's: the helper's own, in C, and those of suites.ts in Windows' Node. Writes
// what came of all to vitest's results.json.
//
//   npm run test:windows [-- FILE...]
import { spawn } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { type Results, resultsOf, sum } from '../results.ts'
import { windowsFolder } from './folder.mjs'
import { leftOutWhole } from './left-out.ts'
import { suites } from './suites.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const file = process.env.VITEST_RESULTS ?? join(root, 'node_modules/.vitest/results.json')
const prefix = windowsFolder(root)
const home = 'C:\\coppice bed äöü'
const folder = mkdtempSync(join(tmpdir(), 'coppice-windows-results-'))
/** Milliseconds for one file, which takes half a minute on a quiet machine. */
const bound = 300_000
const atOnce = 3

const env = {
  WINEPREFIX: prefix,
  WINEDEBUG: '-all',
  WINEDLLOVERRIDES: 'mscoree,mshtml=;winemenubuilder.exe=d',
  WINEPATH: `${home}\\bin`,
  // Else there would be no letters in paths but ASCII's.
  LC_ALL: 'C.UTF-8',
}

interface FileResults {
  readonly assertionResults?: ReadonlyArray<{ readonly status: string; readonly reason?: string | null }>
}

const asked = process.argv.slice(2)
const wanted =
  asked.length === 0 ? suites : suites.filter((suite) => asked.some((one) => suite.includes(one)))
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().then(() => process.exit(1)))

try {
  const own = asked.length === 0 ? [await helperTests()] : []
  const parts = wanted.map((suite) => [suite])
  // One process counts the tests of all that are left out.
  if (asked.length === 0) parts.push([...leftOutWhole()])
  const all = [...own, ...(await inTurns(parts, atOnce, inWindows))]
  for (const { lost } of all) if (lost !== undefined) console.error(`coppice: windows bed: ${lost}`)
  report(sum(all))
} finally {
  await end()
}

/** Ends this Windows with everything in it, and no other one: it goes by its folder. */
async function end(): Promise<void> {
  await execa('wineserver', ['-k'], { env, reject: false })
  await execa('wineserver', ['-w'], { env, reject: false, timeout: 20_000 })
  rmSync(folder, { recursive: true, force: true })
}

async function inWindows(files: readonly string[]): Promise<Results> {
  const suite = files.length === 1 ? (files[0] ?? '') : 'what is left out as a whole'
  const results = join(folder, `${suite.replaceAll('/', '-')}.json`)
  const begun = performance.now()
  const script = `${home}\\test\\beds\\windows\\inside.js`
  const tests = files.map((file) => `${home}\\test\\${file.replaceAll('/', '\\')}.test.js`)
  const options = ['--disable-warning=ExperimentalWarning', script, `Z:${results.replaceAll('/', '\\')}`]
  const { out, ended } = await wine(`${home}\\bin\\node.exe`, [...options, ...tests], suite)
  const seconds = Math.round((performance.now() - begun) / 1000)
  const came = resultsOf(suite, readIfThere(results), ended)
  const { numPassedTests, numFailedTests, numPendingTests } = came
  console.log(
    `${suite}: ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} left out, ${seconds} s`,
  )
  if (numFailedTests > 0) console.log(out)
  else for (const line of out.split(/\r?\n/)) if (line.startsWith('measured: ')) console.log(line)
  return came
}

/** They say `ok NAME` and `not ok NAME: WHY`, a line for each. */
async function helperTests(): Promise<Results> {
  const { out, ended } = await wine(`${home}\\bin\\helper-tests.exe`, [], 'helper')
  const tests = out.split(/\r?\n/).flatMap((line) => {
    const [, not, name = ''] = /^(not )?ok (.*)$/.exec(line) ?? []
    return name === ''
      ? []
      : [{ fullName: name, status: not ? 'failed' : 'passed', failureMessages: not ? [name] : [] }]
  })
  const failed = tests.filter(({ status }) => status === 'failed').length
  console.log(`the helper's own: ${tests.length - failed} passed, ${failed} failed`)
  if (failed > 0) console.log(out)
  const results = {
    numPassedTests: tests.length - failed,
    numFailedTests: failed,
    numPendingTests: 0,
    numTotalTests: tests.length,
    success: failed === 0 && ended === 'with 0',
    testResults: [{ name: 'helper', status: failed > 0 ? 'failed' : 'passed', assertionResults: tests }],
  }
  return resultsOf('helper', JSON.stringify(results), ended)
}

/** Its stdio are files: the pipes of Linux are none that Windows' Node can use. */
async function wine(
  program: string,
  args: readonly string[],
  name: string,
): Promise<{ out: string; ended: string }> {
  const path = join(folder, `${name.replaceAll('/', '-')}.out`)
  const output = openSync(path, 'w')
  try {
    const child = spawn('wine', [program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
      cwd: join(prefix, 'drive_c/coppice bed äöü'),
      timeout: bound,
      killSignal: 'SIGKILL',
    })
    const ended = await new Promise<string>((resolve) => {
      child.on('error', ({ message }) => resolve(message))
      child.on('exit', (code, signal) =>
        resolve(signal === null ? `with ${code}` : `by ${signal}, after ${bound} ms at most`),
      )
    })
    return { out: readIfThere(path) ?? '', ended }
  } finally {
    closeSync(output)
  }
}

async function inTurns<T, R>(all: readonly T[], atOnce: number, work: (one: T) => Promise<R>): Promise<R[]> {
  const queue = all.values()
  const done: R[] = []
  const worker = async () => {
    for (const one of queue) done.push(await work(one))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return done
}

function report(total: Results): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(total))
  const { numPassedTests, numFailedTests, numPendingTests } = total
  for (const file of undecided()) console.log(`neither run nor left out: ${file}`)
  for (const [why, count] of reasons(total)) console.log(`left out, ${count}: ${why}`)
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} left out`)
  process.exitCode = total.success && numFailedTests === 0 && numPassedTests > 0 ? 0 : 1
}

/** Of the folders whose tests are for every system, what nobody has looked at yet. */
function undecided(): string[] {
  const known = new Set([...suites, ...leftOutWhole()])
  return ['cli', 'runs', 'supervisor'].flatMap((room) =>
    readdirSync(join(root, 'test', room))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${room}/${name.replace(/\.test\.ts$/, '')}`)
      .filter((file) => !known.has(file)),
  )
}

/** How many tests were left out for each reason, the commonest first. */
function reasons({ testResults }: Results): Array<[string, number]> {
  const counts = new Map<string, number>()
  for (const { assertionResults = [] } of testResults as FileResults[]) {
    for (const { status, reason } of assertionResults) {
      if (status !== 'pending') continue
      const why = reason ?? 'by its own condition, as on any other machine'
      counts.set(why, (counts.get(why) ?? 0) + 1)
    }
  }
  return [...counts].sort(([, one], [, other]) => other - one)
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
