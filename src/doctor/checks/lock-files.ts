import ms from 'ms'
import { CoppiceError } from '../../errors.js'
import { type Check, counted, type Finding, type Fix, type Place } from '../check.js'
import { Inspector, NotTold } from '../inspector.js'
import type { LockFile } from '../lock-files/lock-file.js'

/** Milliseconds. */
const fixBound = 30_000

/** Lock files of OpenClaw's beside its transcripts. */
export const lockFiles: Check = {
  name: 'lock-files',
  title: 'lock files of others',
  async look({ task, bound }) {
    const inspector = new Inspector({ ...task, what: 'lockFiles' }, bound)
    try {
      const { trouble, locks } = await inspector.part('lockFiles')
      if (trouble !== null) throw new CoppiceError('store_unavailable', trouble.message)
      const fix = remove(task)
      const findings = locks.flatMap((lock) => (lock.reasons.length === 0 ? [] : [finding(lock, fix)]))
      return { says: `${counted(locks.length, 'lock file')} in ${task.lockFiles}`, findings }
    } catch (error) {
      if (!(error instanceof NotTold)) throw error
      throw new CoppiceError('store_unavailable', `${task.lockFiles}: ${error.message}`, { cause: error })
    } finally {
      inspector.stop()
    }
  },
}

function finding(lock: LockFile, fix: Fix): Finding {
  const { path, pid, condition, ageMs, reasons, holder, isRemovable } = lock
  const who = pid === null ? 'names no process' : `is of pid ${pid} (${condition ?? 'gone'})`
  const { why, mends } = advice(lock)
  return {
    severity: isRemovable
      ? 'error'
      : reasons.every((reason) => reason === 'no-transcript')
        ? 'note'
        : 'warning',
    found: `${path} ${who}, ${ms(ageMs)} old: ${reasons.join(', ')}`,
    why,
    mends,
    facts: {
      path,
      pid,
      pidState: condition ?? (pid === null ? null : 'gone'),
      createdAt: lock.createdAt,
      ageMs,
      reasons,
      holder,
      removable: isRemovable,
    },
    ...(isRemovable ? { fix } : {}),
  }
}

function advice({ pid, reasons, isRemovable, holder }: LockFile): {
  readonly why: string
  readonly mends: string
} {
  if (isRemovable)
    return {
      why: 'its session is dead until somebody removes it: who made it is gone',
      mends: 'coppice doctor --lock-files DIR --fix',
    }
  if (reasons.includes('not-understood'))
    return {
      why: 'it is no lock file as OpenClaw wrote them, and whose it is nobody knows here',
      mends: 'nothing here: it is left alone',
    }
  if (reasons.includes('unreadable'))
    return { why: 'it may be in the middle of being written', mends: 'look again after half a minute' }
  if (reasons.includes('missing-pid'))
    return {
      why: 'nothing tells whether its holder lives',
      mends: 'remove it by hand once its gateway is stopped',
    }
  if (holder === 'held')
    return {
      why: 'its holder lives, however old the lock is: to remove it would make two writers',
      mends: `see what pid ${pid} is doing; when it ends, the lock is free`,
    }
  return {
    why: 'its holder may live where it cannot be seen from here',
    mends: 'look as root, or from the machine or container of its gateway',
  }
}

function remove(task: Place['task']): Fix {
  return async () => {
    const inspector = new Inspector({ ...task, what: 'unlock' }, fixBound)
    const { trouble, removed } = await inspector.part('lockFiles').finally(() => inspector.stop())
    if (trouble !== null) throw new CoppiceError('store_unavailable', trouble.message)
    return removed.map((path) => `removed ${path}`)
  }
}
