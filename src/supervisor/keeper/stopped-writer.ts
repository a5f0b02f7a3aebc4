import { signal } from '../../containment/processes/identity.js'
import { readState } from '../../containment/processes/stat.js'
import type { Identity } from '../../identity.js'
import type { Store } from '../../store/contract.js'
import { delay, settlesWithin } from '../../timers.js'
import type { Log } from './log.js'

/** Milliseconds. A write takes a few, of which most are the disk's. */
const lookEvery = 5
const writeBound = 2_000
/** It may be stopped in its next write as well. */
const attempts = 10

/**
 * A supervisor that is stopped (SIGSTOP, Ctrl-Z) in the middle of a write keeps the state file locked for all others,
 * and nobody but that process can unlock it. So it is continued until its write is done, and then stopped again: it is
 * as its user left it, and the others go on. One whose lease is over by then finds that out by itself.
 */
export class StoppedWriters {
  readonly #self: Identity
  readonly #log: Log
  #isBusy = false

  constructor(self: Identity, log: Log) {
    this.#self = self
    this.#log = log
  }

  /** For when a write has waited; once at a time. */
  letFinish(store: Store): void {
    if (this.#isBusy) return
    this.#isBusy = true
    this.#letFinish(store)
      .catch((error) => this.#log.warn({ err: error }, 'could not free the state file of a stopped writer'))
      .finally(() => {
        this.#isBusy = false
      })
  }

  async #letFinish(store: Store): Promise<void> {
    const holders = await store.lockHolders()
    if (holders.length === 0) return
    // It is one of ours, and still the one that wrote itself down: whoever else has the file is left alone.
    for (const { id, identity } of await store.supervisors()) {
      if (!holders.includes(identity.pid) || !this.#isHere(identity) || !isStopped(identity)) continue
      this.#log.warn(
        { writer: id, pid: identity.pid },
        'a supervisor was stopped in the middle of a write: it is continued until that is done',
      )
      await finishWrite(store, identity)
    }
  }

  #isHere({ bootId, pidNamespace }: Identity): boolean {
    return bootId === this.#self.bootId && pidNamespace === this.#self.pidNamespace
  }
}

async function finishWrite(store: Store, identity: Identity): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (!(await signal(identity, 'SIGCONT'))) return
    await settlesWithin(writeBound, unlocked(store, identity))
    if (!(await signal(identity, 'SIGSTOP'))) return
    if (!(await holds(store, identity))) return
  }
}

async function unlocked(store: Store, identity: Identity): Promise<void> {
  const until = performance.now() + writeBound
  while (performance.now() < until && (await holds(store, identity))) await delay(lookEvery)
}

async function holds(store: Store, { pid }: Identity): Promise<boolean> {
  return (await store.lockHolders()).includes(pid)
}

/** Not `t`: whoever traces it decides when it goes on. */
function isStopped({ pid }: Identity): boolean {
  return readState(pid) === 'T'
}
