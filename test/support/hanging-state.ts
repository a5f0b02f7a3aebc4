import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fixture, type Scene } from './scene.ts'

/** A state file on a disk that hangs, for programs that are started with this environment; null where it cannot be had. */
export function hangingState(scene: Scene): { state: string; env: NodeJS.ProcessEnv } | null {
  const library = join(scene.folder, 'hangs-on-open.so')
  try {
    const flags = ['-shared', '-fPIC', '-D_GNU_SOURCE', '-o', library]
    execFileSync('cc', [...flags, fixture('hangs-on-open.c'), '-ldl'], { stdio: 'pipe' })
  } catch {
    return null
  }
  const state = join(scene.folder, 'hangs.db')
  writeFileSync(state, '')
  return { state, env: { LD_PRELOAD: library, COPPICE_STATE: state } }
}
