import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { livingIfAny } from './support/alive.ts'
import { type Scene, test } from './support/scene.ts'

const lanes = fileURLToPath(new URL('../.ci/lanes.sh', import.meta.url))

/** What a CI of these lanes says, in a folder of its own. */
function ci(scene: Scene, lines: string, ...wanted: string[]) {
  const script = `set -uo pipefail; . '${lanes}'; ${lines}\nsum_up`
  return scene.bash(script, wanted, { cwd: scene.folder }).exited
}

/** As vitest writes them. */
function results(scene: Scene, name: string, passed: number, failures: Record<string, string> = {}): string {
  const assertionResults = Object.entries(failures).map(([fullName, message]) => ({
    status: 'failed',
    fullName,
    failureMessages: [message],
  }))
  const file = join(scene.folder, `${name}.json`)
  writeFileSync(
    file,
    JSON.stringify({ numPassedTests: passed, testResults: [{ name: 'some.test.ts', assertionResults }] }),
  )
  return `cp '${file}' "$VITEST_RESULTS"`
}

test('the last line counts what all lanes passed and failed', async ({ scene }) => {
  const { code, stdout } = await ci(
    scene,
    `alone one 60 bash -c '${results(scene, 'one', 3).replaceAll("'", '"')}'
     alone two 60 bash -c '${results(scene, 'two', 4).replaceAll("'", '"')}'`,
  )
  expect(stdout).toMatch(
    /\none: 3 passed, 0 failed, in \d+ s\ntwo: 4 passed, 0 failed, in \d+ s\n\n7 passed, 0 failed\n$/,
  )
  expect(code).toBe(0)
})

test('the words of a test that failed are told in full', async ({ scene }) => {
  const words = Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n')
  const { code, stdout } = await ci(
    scene,
    `alone one 60 bash -c '${results(scene, 'one', 3, { 'it works': words }).replaceAll("'", '"')}; exit 1'`,
  )
  expect(stdout).toContain(`\n== one: some.test.ts: it works\n${words}\n`)
  expect(stdout).toMatch(/\n3 passed, 1 failed\n$/)
  expect(code).toBe(1)
})

test('a command that fails without a failed test is one failure, with the end of its log', async ({
  scene,
}) => {
  const { code, stdout } = await ci(scene, `alone lint 60 bash -c 'echo what is wrong; exit 2'`)
  expect(stdout).toContain('\n== lint: its command exited with 2, and left no results\nwhat is wrong\n')
  expect(stdout).toMatch(/\n0 passed, 1 failed\n$/)
  expect(code).toBe(1)
})

test('a lane that says it is well and has no results is one failure', async ({ scene }) => {
  const { code, stdout } = await ci(scene, `alone empty 60 true`)
  expect(stdout).toMatch(/\nempty: 0 passed, 1 failed.*\n\n0 passed, 1 failed\n$/)
  expect(code).toBe(1)
})

test('a lane that is not over within its bound is ended, and the next one runs', async ({ scene }) => {
  const { stdout } = await ci(
    scene,
    `alone slow 5 bash -c 'sleep 600 & echo "it is $!"; wait'; alone next 60 bash -c '${results(scene, 'next', 1).replaceAll("'", '"')}'`,
  )
  expect(stdout).toContain('\n== slow: not over within 5\nit is ')
  expect(stdout).toMatch(/\n1 passed, 1 failed\n$/)
  const [, pid] = /it is (\d+)/.exec(stdout) ?? []
  expect(livingIfAny(Number(pid))).toEqual([])
})

test('lanes that are begun together run beside each other, each with its own log', async ({ scene }) => {
  // Each waits for the other: alone it would never end.
  const { stdout } = await ci(
    scene,
    `mkfifo there back
     begin a 20 bash -c 'echo a is here; echo >there; read -r <back'
     begin b 20 bash -c 'echo b is here; read -r <there; echo >back'
     end`,
  )
  expect(stdout).toMatch(/\n== a\na is here\n\n== b\nb is here\n/)
  expect(stdout).toMatch(/a: 0 passed, 1 failed.*\nb: 0 passed, 1 failed/)
})

test('only the lanes that are asked for are run', async ({ scene }) => {
  const { stdout } = await ci(scene, `alone one 60 echo one runs; alone two 60 echo two runs`, 'two')
  expect(stdout).toContain('two runs')
  expect(stdout).not.toContain('one runs')
})
