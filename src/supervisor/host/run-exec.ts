import { noLimits, smallerLimits } from '../../containment/limits.js'
import { defaultBounds } from '../../runs/bounds.js'
import { ExecHandle, type ExecOwner } from './exec-handle.js'
import { type ExecOptions, parseExec } from './exec-options.js'
import type { ParsedSpec } from './spec.js'

/** Launches a command as a tree of a run; `spec` is null where that has ended, which the handle then tells. */
export function execInRun(
  identity: { readonly run: string; readonly tree: string },
  [command, args, options]: readonly [string, readonly string[], ExecOptions],
  spec: ParsedSpec | null,
  owner: ExecOwner,
): ExecHandle {
  // A command without bounds of its own has its run's.
  const unbounded = { timeout: Number.POSITIVE_INFINITY, stallTimeout: Number.POSITIVE_INFINITY }
  const bounds = { ...(spec?.request.bounds ?? defaultBounds), ...unbounded }
  const limits = spec?.limits ?? noLimits
  const exec = parseExec(identity, command, args, options, { bounds, limits })
  const told = smallerLimits(exec.request.limits, spec?.request.sessionBudget.limits ?? noLimits)
  return new ExecHandle(owner, exec, told)
}
