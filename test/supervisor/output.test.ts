import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ExecHandle, type ExecOptions, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

const MB = 1024 * 1024

describe.for(kindsHere)('output and input, by %s', (containment) => {
  type Sh = (script: string, options?: ExecOptions) => ExecHandle

  async function inRun<T>(state: string, work: (sh: Sh) => PromiseLike<T>): Promise<T> {
    const supervisor = await openSupervisor({ state, containment })
    const result = await supervisor.run({ grace: '1m' }, async (run) => {
      return await work((script, options) => run.exec('sh', ['-c', script], options))
    })
    await supervisor.close()
    return result
  }

  test('case 10: a grandchild that holds stdout does not delay the result, and what it wrote is there', async ({
    scene,
  }) => {
    const begun = performance.now()
    const result = await inRun(scene.state, (sh) => sh('echo before; sleep 600 & echo after'))
    expect(result.stdout).toBe('before\nafter\n')
    expect(result.tree.lingered).toHaveLength(1)
    expect(performance.now() - begun).toBeLessThan(50_000)
  })

  test('case 10, case 16: somebody outside the tree holds stdout: the result comes at the drain bound, and nothing after it', async ({
    scene,
  }) => {
    const go = join(scene.folder, 'go')
    await inRun(scene.state, async (sh) => {
      const writes = 'while printf .; do sleep 0.02; done'
      const escapes = `(env -i PATH="$PATH" setsid sh -c '${writes}' &)`
      const tool = sh(
        `${containment === 'group' ? escapes : ':'}; echo "pid $$"; while [ ! -e ${go} ]; do sleep 0.02; done; echo last`,
        {
          drainBound: '700ms',
        },
      )
      let said = ''
      let isOver = false
      tool.stdout.on('data', (chunk: Buffer) => {
        expect(isOver).toBe(false)
        said += chunk
      })
      const pid = await eventually(() => /pid (\d+)/.exec(said)?.[1])
      // A stranger writes into it, before and after the result, until there is no reader any more. A socket cannot be
      // opened by its name: by group one that has escaped does it.
      const holder =
        containment === 'group'
          ? scene.bash('echo held')
          : scene.bash('exec 9> "/proc/$1/fd/1"; echo held; while printf . >&9; do sleep 0.02; done', [
              pid ?? '',
            ])
      await holder.lines.after('held')
      await eventually(() => said.includes('.'))
      const begun = performance.now()
      writeFileSync(go, '')
      const result = await tool
      isOver = true
      expect(performance.now() - begun).toBeGreaterThanOrEqual(650)
      expect(performance.now() - begun).toBeLessThan(20_000)
      expect(result.stdout.replaceAll('.', '')).toBe(`pid ${pid}\nlast\n`)
      expect(result.stdout).toContain('.')
      await holder.died
    })
  })

  test('case 16: 100 MB through a pipe keep head and tail and count the rest; nothing comes after the result', async ({
    scene,
  }) => {
    const total = 100 * MB + 'first\nlast\n'.length
    await inRun(scene.state, async (sh) => {
      const handle = sh('echo first; head -c 104857600 /dev/zero; echo last', { output: { limit: MB } })
      let streamed = 0
      let isOver = false
      handle.stdout.on('data', (chunk: Buffer) => {
        if (isOver) streamed = Number.NaN
        streamed += chunk.length
      })
      const result = await handle
      expect(result.stdout.startsWith('first\n')).toBe(true)
      expect(result.stdout.endsWith('last\n')).toBe(true)
      expect(result.truncated).toBe(total - MB)
      await eventually(() => streamed === total)
      isOver = true
    })
  })

  test('case 16: bytes that are no UTF-8, a line of 10 MB, and lines as they come', async ({ scene }) => {
    await inRun(scene.state, async (sh) => {
      expect((await sh(String.raw`printf 'a\377b'`)).stdout).toBe('a\uFFFDb')
      const lines: string[] = []
      const script = String.raw`printf 'é\n'; head -c 10485760 /dev/zero | tr '\0' x; printf '\nlast'`
      for await (const line of sh(script)) lines.push(line)
      expect(lines.map((line) => line.length)).toEqual([1, 10 * MB, 4])
    })
  })

  test('case 16: a flood without a newline can be cancelled, and holds no more than its limit', async ({
    scene,
  }) => {
    const result = await inRun(scene.state, async (sh) => {
      const tool = sh('cat /dev/zero', { output: { limit: MB } })
      let streamed = 0
      tool.stdout.on('data', (chunk: Buffer) => (streamed += chunk.length))
      await eventually(() => streamed > 20 * MB, { within: 20_000 })
      return tool.cancel()
    })
    expect(result).toMatchObject({ ended: 'cancelled', exit: { signal: 'SIGTERM' }, forced: false })
    expect(result.stdout.length).toBeLessThan(MB + 100)
    expect(result.truncated).toBeGreaterThan(19 * MB)
  })

  test('case 16: what a tool writes after its SIGTERM is there', async ({ scene }) => {
    const result = await inRun(scene.state, async (sh) => {
      const last = 'echo "the last word"; echo "and a complaint" >&2; exit 17'
      const tool = sh(`trap '${last}' TERM; echo ready; while :; do sleep 0.02; done`)
      await eventually(() => tool.stdout.readableLength > 0)
      tool.stdout.resume()
      return tool.cancel()
    })
    expect(result).toMatchObject({
      stdout: 'ready\nthe last word\n',
      stderr: expect.stringMatching(/and a complaint\n$/),
      exit: { code: 17 },
    })
  })

  test('case 17: stdin is empty by default, an input of 10 MB arrives, and EPIPE is no crash', async ({
    scene,
  }) => {
    await inRun(scene.state, async (sh) => {
      expect(await sh('cat')).toMatchObject({ ok: true, stdout: '' })
      expect((await sh('wc -c', { input: 'x'.repeat(10 * MB) })).stdout.trim()).toBe(String(10 * MB))
      expect(await sh('exit 0', { input: 'x'.repeat(10 * MB) })).toMatchObject({ ok: true })
      expect(await sh('exec 0<&-; sleep 0.1; echo unread', { input: 'x'.repeat(10 * MB) })).toMatchObject({
        ok: true,
        stdout: 'unread\n',
      })
      const chat = sh('read a; echo "got $a"; read b; echo "then $b"', { stdio: 'pipe' })
      chat.stdin?.write('one\n')
      const answers = chat[Symbol.asyncIterator]()
      expect(await answers.next()).toMatchObject({ value: 'got one' })
      chat.stdin?.end('two\n')
      expect(await answers.next()).toMatchObject({ value: 'then two' })
      expect(await chat).toMatchObject({ ok: true })
    })
  })
})
