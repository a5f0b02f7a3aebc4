import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { eventually } from './eventually.ts'
import { command, fixture, type Scene } from './scene.ts'

const folder = mkdtempSync(join(tmpdir(), 'coppice-pty-'))
const pty = join(folder, 'pty')
/** Whether there is a C compiler to make a terminal with. */
export const hasTerminals = build()
afterAll(() => rmSync(folder, { recursive: true }))

function build(): boolean {
  try {
    execFileSync('cc', ['-std=c11', '-D_GNU_SOURCE', '-o', pty, fixture('pty.c')], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** A bash script under a terminal of its own, with `coppice` as a function. */
export function inTerminal(scene: Scene, script: string) {
  const coppice = `coppice() { '${process.execPath}' '${command}' "$@"; }`
  const child = spawn(pty, ['bash', '-c', `${coppice}\n${script}`], {
    env: { ...scene.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text.replaceAll('\r', '')
  })
  return {
    child,
    type: (keys: string) => child.stdin.write(keys),
    shows: (text: string | RegExp, within = 40_000) =>
      eventually(() => (typeof text === 'string' ? screen.includes(text) : text.test(screen)), {
        within,
      }).catch(() => {
        throw new Error(`the screen does not show ${text}: ${screen}`)
      }),
    screen: () => screen,
  }
}
