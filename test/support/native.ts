import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fixture } from './scene.ts'

const folder = fileURLToPath(new URL('../../native-helpers/', import.meta.url))

const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).error === undefined

/** The launcher with address and undefined-behaviour sanitizers, built where it is stale; null where it cannot be used. */
export function sanitizedLauncher(): string | null {
  if (!hasCompiler || !runSanitizersHere()) return null
  execFileSync(process.execPath, [`${folder}build.mjs`, '--sanitized'], { stdio: 'inherit' })
  return `${folder}build/coppice-launcher-sanitized`
}

/** Whether a sanitized program that does nothing runs: on User Mode Linux none finds the addresses that it wants. */
function runSanitizersHere(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'coppice-sanitized-'))
  const path = join(directory, 'nothing')
  try {
    const flags = ['-fsanitize=address,undefined', '-x', 'c', '-o', path, '-']
    execFileSync('cc', flags, {
      input: 'int main(void) { return 0; }',
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    return spawnSync(path).status === 0
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** A program that runs another as on an old kernel; null where it cannot be built. */
export function oldKernel(): string | null {
  if (!hasCompiler) return null
  const path = `${folder}build/old-kernel`
  const draft = `${path}.${process.pid}`
  mkdirSync(`${folder}build`, { recursive: true })
  execFileSync('cc', ['-Wall', '-Wextra', '-Werror', '-o', draft, fixture('old-kernel.c')], {
    stdio: 'inherit',
  })
  renameSync(draft, path)
  return path
}
