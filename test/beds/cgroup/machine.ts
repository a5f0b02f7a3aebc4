import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from 'coppice/exec'
import { type Results, resultsOf } from '../results.ts'

const checkout = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')
const shim = join(checkout, 'native-helpers/build/whole-registers.so')

/** Tests that run in one process of vitest, as one user. */
export interface Suite {
  readonly name: string
  /** A number; 0 is root. */
  readonly user: number
  /** As vitest's arguments. */
  readonly files: readonly string[]
}

export interface Machine {
  readonly suites: readonly Suite[]
  /** Milliseconds after which it is turned off, whatever it does. */
  readonly bound: number
  /** Lines of bash before the suites. */
  readonly before?: string
}

/**
 * Boots a Linux with cgroup v2 and its controllers on top of this one's files (User Mode Linux, hostfs), and runs suites in
 * it. Resolves to the results of each. A suite that brought none back, since the machine panicked, hung or was turned off,
 * counts as one failure.
 */
export async function runInMachine(
  { suites, bound, before = '' }: Machine,
  say: (line: string) => void,
): Promise<Results[]> {
  const results = mkdtempSync(join(tmpdir(), 'coppice-bed-'))
  try {
    mkdirSync(join(checkout, 'node_modules/.vitest'), { recursive: true })
    const job = join(results, 'job')
    writeFileSync(job, jobOf(results, before, suites), { mode: 0o755 })
    const ended = await boot(job, results, bound, say)
    return suites.map(({ name }) => {
      const file = join(results, `${name}.json`)
      return resultsOf(name, existsSync(file) ? readFileSync(file, 'utf8') : null, ended)
    })
  } finally {
    rmSync(results, { recursive: true, force: true })
  }
}

function jobOf(results: string, before: string, suites: readonly Suite[]): string {
  return [
    '#!/bin/bash',
    `checkout=${quote(checkout)} results=${quote(results)}`,
    `. ${quote(join(checkout, 'test/beds/cgroup/inside.sh'))}`,
    'set_up',
    before,
    ...suites.map(({ name, user, files }) => ['suite', name, user, ...files.map(quote)].join(' ')),
    'power_off',
    '',
  ].join('\n')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Resolves to how the machine ended, in words. */
async function boot(
  job: string,
  results: string,
  bound: number,
  say: (line: string) => void,
): Promise<string> {
  const machine = exec(
    'linux.uml',
    [
      'rootfstype=hostfs',
      'rootflags=/',
      'ro',
      `init=${job}`,
      'mem=2G',
      // Its first console is its output; what the kernel has to say is only there when it panics.
      'con=null',
      'con0=null,fd:1',
      'loglevel=1',
      `uml_dir=${results}/`,
      'umid=machine',
    ],
    // It cannot be asked to end, and there is nothing in it to save.
    { timeout: bound, grace: 0, env: { LD_PRELOAD: existsSync(shim) ? shim : undefined } },
  )
  for await (const line of machine) say(line.trimEnd())
  const { ended, exit } = await machine
  if (ended === 'timed_out') return `the machine was turned off after ${bound / 1000} s`
  return exit.code === 0
    ? 'the machine turned itself off'
    : `the machine ended with ${exit.signal ?? exit.code}`
}
