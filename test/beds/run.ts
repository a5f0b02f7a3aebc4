// Runs a bed by its name: vitest takes no arguments for tests, so they go by the environment.
//
//   run.ts model [--operations N] [--seed S]
//   run.ts soak [--seconds N]
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { operations: { type: 'string' }, seed: { type: 'string' }, seconds: { type: 'string' } },
})
const { operations, seed, seconds } = values
const given = { MODEL_OPERATIONS: operations, MODEL_SEED: seed, SOAK_SECONDS: seconds }
const { status } = spawnSync(
  'vitest',
  ['run', '--config', 'test/vitest.config.ts', ...positionals.map((name) => `beds/${name}`)],
  { stdio: 'inherit', env: { ...process.env, ...given } },
)
process.exitCode = status ?? 1
