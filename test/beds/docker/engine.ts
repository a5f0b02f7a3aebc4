import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ExecOptions, exec } from 'coppice/exec'
import { eventually } from '../../support/eventually.ts'

/** Runs docker and resolves to its output. Rejects where it fails. */
export async function docker(args: readonly string[], options: ExecOptions = {}): Promise<string> {
  return (await exec('docker', args, { timeout: '2m', ...options })).orThrow().stdout
}

/**
 * An engine of the bed's own, which changes nothing on the machine: no bridge, no rules, its files in one folder. `close` ends
 * it with its containers; whatever lives on of what it started ends with its tree, also where this program is killed.
 */
export async function startEngine(): Promise<{ readonly host: string; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'coppice-docker-'))
  const host = `unix://${folder}/docker.sock`
  const places = ['--data-root', `${folder}/root`, '--exec-root', `${folder}/exec`, '-p', `${folder}/pid`]
  const plain = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--log-level=error']
  const engine = exec('dockerd', ['-H', host, ...places, ...plain], {
    timeout: '20m',
    grace: '10s',
    // So that it cannot find another engine's containerd.
    env: { DOCKER_HOST: undefined },
  })
  let ended = false
  const end = engine.then((result) => {
    ended = true
    return result
  })
  process.env.DOCKER_HOST = host
  const close = async () => {
    const containers = ended ? [] : (await docker(['ps', '-aq'])).split('\n').filter(Boolean)
    if (containers.length > 0) await docker(['rm', '--force', ...containers])
    void engine.cancel()
    const { tree } = await end
    // A container that could not be ended holds its mounts.
    if (tree.survivors.length > 0) throw new Error(`still there: ${JSON.stringify(tree.survivors)}`)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await eventually(
      async () => {
        if (ended) throw new Error(`dockerd: ${(await end).stderr}`)
        return (await exec('docker', ['version'], { timeout: '10s' })).ok
      },
      { within: 60_000, every: 200 },
    )
  } catch (error) {
    await close().catch(() => {})
    throw new Error('the engine did not start', { cause: error })
  }
  return { host, close }
}
