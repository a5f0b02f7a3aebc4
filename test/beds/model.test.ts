import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gameOf, type Operation } from './model/operations.ts'
import { play } from './model/play.ts'

/**
 * P1 to P9 against a model: games of random operations (runs, cancels, crashes, stops, takeovers, force) by several real
 * processes. `npm run test:model -- --operations N --seed S` plays longer or again; a failing game is printed with its
 * seed and is made shorter as long as there is time: with real processes a shorter one may fail only now and then.
 */
const perGame = 500
const seed = Number(process.env.MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31))
const games = Math.max(1, Math.round(Number(process.env.MODEL_OPERATIONS ?? 10_000) / perGame))
const shrinkFor = 90_000

test(`P1 to P9: ${games} games of ${perGame} operations, from seed ${seed}`, {
  timeout: games * 60_000 + 2 * shrinkFor,
}, async () => {
  const begun = performance.now()
  const total: Record<string, number> = {}
  for (let game = 0; game < games; game++) {
    const operations = gameOf(seed + game, perGame)
    const { faults, figures } = await play(operations)
    if (faults.length > 0) expect.fail(await report(seed + game, operations, faults))
    for (const [name, count] of Object.entries(figures)) total[name] = (total[name] ?? 0) + count
  }
  const seconds = Math.round((performance.now() - begun) / 1000)
  console.log(`${games * perGame} operations in ${seconds} s, from seed ${seed}: ${JSON.stringify(total)}`)
})

async function report(
  seed: number,
  operations: readonly Operation[],
  faults: readonly string[],
): Promise<string> {
  const again = `npm run test:model -- --seed ${seed} --operations ${perGame}`
  console.log(`the game of seed ${seed} fails:\n${faults.slice(0, 10).join('\n')}\nagain: ${again}`)
  const short =
    process.env.MODEL_SHRINK === '0' ? null : await shorter(operations, performance.now() + shrinkFor)
  const path = join(tmpdir(), `coppice-game-${seed}.json`)
  writeFileSync(path, JSON.stringify(short ?? operations, null, 1))
  return `${faults.slice(0, 10).join('\n')}\nagain: ${again}\n${short?.length ?? operations.length} operations: ${path}`
}

/** Leaves ever smaller parts out, as long as what is left fails; null where the game itself does not fail again. */
async function shorter(operations: readonly Operation[], until: number): Promise<Operation[] | null> {
  let failing: readonly Operation[] = operations
  for (let part = Math.ceil(failing.length / 2); part >= 1; part = Math.floor(part / 2)) {
    for (let at = 0; at < failing.length; ) {
      if (performance.now() > until) return failing === operations ? null : [...failing]
      const rest = [...failing.slice(0, at), ...failing.slice(at + part)]
      if (rest.length > 0 && (await play(rest)).faults.length > 0) failing = rest
      else at += part
    }
  }
  return failing === operations ? null : [...failing]
}
