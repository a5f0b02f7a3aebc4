import type { ChildProcess } from 'node:child_process'
import type { Identity } from '../../identity.js'
import type { Exit } from '../contract.js'

/** The root of a tree, our own child: its exit is an event, and until it is reaped nobody else has its number. */
export class RootProcess {
  readonly identity: Identity
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess

  constructor(child: ChildProcess, identity: Identity, exited: Promise<Exit>) {
    this.#child = child
    this.identity = identity
    this.exited = exited
  }

  /** libuv reaps and tells of it in one turn of the loop: as long as it has not told, the number is the root's. */
  get isUnreaped(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * To the whole group at one stroke, so that no fork slips through. False where it was not sent: its number
   * may be a stranger's by now (the root was reaped), or it consists of setuid programs alone (EPERM).
   */
  signalGroup(signal: NodeJS.Signals): boolean {
    const { pid } = this.identity
    if (!this.isUnreaped || !(pid > 1)) return false
    try {
      return process.kill(-pid, signal)
    } catch {
      return false
    }
  }

  /** To the root alone. False where it was not sent, since it has been reaped or is not ours to signal. */
  signal(signal: NodeJS.Signals): boolean {
    if (!this.isUnreaped || !canSend(signal)) return false
    try {
      return process.kill(this.identity.pid, signal)
    } catch {
      return false
    }
  }

  /** Its exit keeps this program's event loop alive no longer. */
  unref(): void {
    this.#child.unref()
  }
}

/** Windows has no signals: Node ends the process at once, whichever it is told to send. */
function canSend(signal: NodeJS.Signals): boolean {
  return process.platform !== 'win32' || signal === 'SIGKILL'
}
