import { noLimits } from './containment/limits.js'
import { newIdentifier } from './identifiers.js'
import { defaultBounds } from './runs/bounds.js'
import { ExecHandle } from './supervisor/host/exec-handle.js'
import { type ExecOptions, parseExec } from './supervisor/host/exec-options.js'
import { ExecSpan } from './supervisor/host/tracing.js'
import { treeKeeper, treeLost } from './supervisor/host/tree-keeper.js'

/**
 * A contained process tree without run, session or store, for those who adopt that half alone. The command is
 * ended after an hour unless `timeout` says otherwise.
 */
export function exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): ExecHandle {
  const tree = newIdentifier('t')
  const parsed = parseExec({ run: null, tree }, command, args, options, {
    bounds: defaultBounds,
    limits: noLimits,
  })
  return new ExecHandle({ link: treeKeeper, error: () => treeLost(tree), trace: ExecSpan.start }, parsed)
}

export type { CancelOptions } from './supervisor/host/cancel-options.js'
export type { ExecHandle } from './supervisor/host/exec-handle.js'
export type { ExecOptions } from './supervisor/host/exec-options.js'
export type { ExecResult } from './supervisor/host/exec-result.js'
export type { LimitOptions } from './supervisor/host/limit-options.js'
