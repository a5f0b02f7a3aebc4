import { spawn } from 'node:child_process'
import { exec } from 'coppice/exec'
import { execa } from 'execa'

/** `true`, launched in three ways, each with the same stdio and up to its complete result. */
export const trueBy = {
  async coppice(): Promise<void> {
    const { ok, tree } = await exec('true')
    if (!ok || tree.proof !== 'empty') throw new Error(`not launched by a guard: ${tree.containment}`)
  },

  spawn(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const child = spawn('true', { stdio: ['ignore', 'pipe', 'pipe'] })
    const output: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
    child.stdout.on('data', (chunk) => output.stdout.push(chunk))
    child.stderr.on('data', (chunk) => output.stderr.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      Buffer.concat(output.stdout).toString()
      Buffer.concat(output.stderr).toString()
      if (code === 0) resolve()
      else reject(new Error(`true exited with ${code}`))
    })
    return promise
  },

  async execa(): Promise<void> {
    await execa('true', { stdin: 'ignore' })
  },
} as const

export type Way = keyof typeof trueBy
