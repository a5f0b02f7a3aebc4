import { randomUUID } from 'node:crypto'
import { exec } from 'coppice/exec'
import { Lines } from '../../support/lines.ts'
import { docker } from './engine.ts'
import { tests } from './images.ts'
import { type FirstProcess, inContainer } from './places.ts'

export interface Container {
  readonly name: string
  readonly lines: Lines
  /** Resolves with its exit code when it has ended. */
  readonly code: Promise<number | null>
}

interface Start {
  readonly flags?: readonly string[]
  readonly image?: string
}

/** Starts a container that is removed when it has ended, and reads what it says. */
export function start(
  first: FirstProcess,
  command: readonly string[],
  { flags = [], image }: Start = {},
): Container {
  const name = `coppice-${randomUUID()}`
  const words = inContainer(first, ['--rm', `--name=${name}`, ...tests, ...flags], image)
  const run = exec('docker', [...words, ...command], { timeout: '3m' })
  const lines = new Lines(run.stdout)
  run.stderr.resume()
  return { name, lines, code: run.then(({ exit }) => exit.code) }
}

/** Runs a program of the suites' in a container, and resolves to what it says. Rejects where it fails. */
export async function run(
  first: FirstProcess,
  command: readonly string[],
  flags: readonly string[] = [],
): Promise<string> {
  return docker([...inContainer(first, ['--rm', ...tests, ...flags]), ...command])
}

/** A volume until it is disposed of, by when no container may have it. */
export async function volume(): Promise<{ readonly flag: string } & AsyncDisposable> {
  const name = `coppice-${randomUUID()}`
  await docker(['volume', 'create', name])
  return {
    flag: `--volume=${name}:/state`,
    async [Symbol.asyncDispose]() {
      // Where a test has failed its container may have it still; both go with the engine.
      await docker(['volume', 'rm', '--force', name]).catch(() => {})
    },
  }
}
