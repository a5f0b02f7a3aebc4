import { constants } from 'node:fs'
import { access, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CoppiceError } from '../errors.js'
import type { Outcome } from '../runs/outcome.js'
import type { ExecResult } from '../supervisor/host/exec-result.js'

export interface Report {
  readonly outcome: Outcome
  readonly exec: ExecResult | null
}

/** Refuses a report that could not be written, before anything has run. */
export async function checkReport(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK)
  } catch (cause) {
    throw new CoppiceError('invalid_option', `--report ${path}: its folder cannot be written`, {
      path,
      cause,
    })
  }
}

/** Replaces the file in one step: whoever reads it meets a whole report, the old one or the new one. */
export async function writeReport(path: string, report: Report): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}`)
  try {
    const file = await open(draft, 'w')
    await file.writeFile(`${JSON.stringify(report, null, 2)}\n`)
    await file.sync()
    await file.close()
    await rename(draft, path)
  } catch (cause) {
    await rm(draft, { force: true })
    throw new CoppiceError('launch_failed', `--report ${path}: cannot be written`, { path, cause })
  }
}
