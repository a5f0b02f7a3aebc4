import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { exec } from 'coppice/exec'

const bytes = 1024 ** 3
const command = ['head', ['-c', String(bytes), '/dev/zero']] as const

const ways = {
  async coppice() {
    const { truncated } = await exec(...command, { output: { limit: 1024 } })
    return truncated + 1024
  },
  async spawn() {
    let taken = 0
    const child = spawn(...command, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stderr.resume()
    child.stdout.on('data', (chunk: Buffer) => {
      taken += chunk.length
    })
    await once(child, 'close')
    return taken
  },
}

/** Megabytes a second of one tree's output, all of it read and next to nothing kept. */
export async function throughput(rounds: number): Promise<Record<keyof typeof ways, number[]>> {
  const figures: Record<keyof typeof ways, number[]> = { coppice: [], spawn: [] }
  for (let round = 0; round <= rounds; round++) {
    for (const way of round % 2 === 0 ? (['coppice', 'spawn'] as const) : (['spawn', 'coppice'] as const)) {
      const from = performance.now()
      const taken = await ways[way]()
      if (taken !== bytes) throw new Error(`${way} gave ${taken} bytes`)
      const seconds = (performance.now() - from) / 1000
      if (round > 0) figures[way].push(bytes / 1024 ** 2 / seconds)
    }
  }
  return figures
}
