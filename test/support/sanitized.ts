import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const build = fileURLToPath(new URL('../../native-helpers/build.mjs', import.meta.url))

/** The launcher with address and undefined-behaviour sanitizers, built where it is stale; null where it cannot be. */
export function sanitizedLauncher(): string | null {
  if (process.platform !== 'linux' || spawnSync('cc', ['--version']).error) return null
  execFileSync(process.execPath, [build, '--sanitized'], { stdio: 'inherit' })
  return fileURLToPath(new URL('../../native-helpers/build/coppice-launcher-sanitized', import.meta.url))
}
