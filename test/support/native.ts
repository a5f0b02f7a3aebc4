import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, renameSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fixture } from './scene.ts'

const folder = fileURLToPath(new URL('../../native-helpers/', import.meta.url))

const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).error === undefined

/** The launcher with address and undefined-behaviour sanitizers, built where it is stale; null where it cannot be. */
export function sanitizedLauncher(): string | null {
  if (!hasCompiler) return null
  execFileSync(process.execPath, [`${folder}build.mjs`, '--sanitized'], { stdio: 'inherit' })
  return `${folder}build/coppice-launcher-sanitized`
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
