import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { start, volume } from './containers.ts'
import { docker } from './engine.ts'
import { gateway, hardened } from './places.ts'

/** examples/docker, built as it stands: its image does what its page says. */

const compose = readFileSync(new URL('../../../examples/docker/compose.yaml', import.meta.url), 'utf8')

test('the image runs hardened as an ordinary user below tini, works, is healthy, and stops in its time', async () => {
  await using state = await volume()
  // As its first lines say: there nothing needs to run in /tmp.
  const flags = [
    '--read-only',
    '--tmpfs=/tmp',
    ...hardened.slice(2),
    '--pids-limit=512',
    '--memory=1g',
    state.flag,
  ]
  const container = start('tini', [], { flags, image: gateway })
  await container.lines.after('open')
  const inside = (...command: string[]) => docker(['exec', container.name, ...command])
  expect((await inside('cat', '/proc/1/comm')).trim()).toBe('tini')
  expect((await inside('id', '-un')).trim()).toBe('node')
  const ask = `fetch('http://127.0.0.1:8080/sessions/me', { method: 'POST', body: '["sh", "-c", "echo done"]' })
    .then((response) => response.text()).then((text) => console.log(text))`
  expect(JSON.parse(await inside('node', '-e', ask))).toMatchObject({
    ended: 'exited',
    stdout: 'done\n',
    tree: { containment: 'guard', proof: 'empty' },
  })
  const check = await docker(['inspect', '--format', '{{index .Config.Healthcheck.Test 1}}', container.name])
  // On a busy machine it is degraded now and then, and says so.
  await eventually(async () => {
    const health = JSON.parse(await inside('node_modules/.bin/coppice', 'health', '--json'))
    await inside('sh', '-c', check)
    return health.verdict === 'ok'
  })
  const begun = performance.now()
  await docker(['stop', container.name])
  expect(await container.code).toBe(143)
  expect(performance.now() - begun).toBeLessThan(10_000)
})

test('an entrypoint that bypasses the init makes the gateway PID 1, and it stops all the same', async () => {
  await using state = await volume()
  const container = start('node', ['node', 'main.mjs'], { flags: [...hardened, state.flag], image: gateway })
  await container.lines.after('open')
  const first = await docker(['exec', container.name, 'readlink', '/proc/1/exe'])
  expect(first).toBe('/usr/local/bin/node\n')
  await docker(['stop', container.name])
  expect(await container.code).toBe(143)
})

test('the compose file has what the bed ran it with, and more time than a close takes', () => {
  for (const line of [
    'read_only: true',
    'cap_drop: [ALL]',
    'security_opt: ["no-new-privileges:true"]',
    'tmpfs: /tmp',
  ])
    expect(compose).toContain(`    ${line}\n`)
  expect(compose).not.toMatch(/^ *init:/m)
  const [, grace] = /^ *stop_grace_period: (\d+)s$/m.exec(compose) ?? []
  // `handleSignals: true` closes within 9 s.
  expect(Number(grace)).toBeGreaterThan(9)
})
