/** Whether the files of a state that is in use are still where they were opened. */
import { closeSync, existsSync, openSync, readlinkSync, statSync } from 'node:fs'
import { unavailable } from './trouble.js'

/**
 * What is committed to files that the path no longer leads to is lost to all. The WAL counts as well. Where anything in this
 * process opens and closes the files, a backup say, SQLite's locks are gone, and the next other program that closes the state
 * takes itself for the last one and deletes the WAL.
 */
export class OpenFiles {
  readonly #database: Place
  readonly #wal: Place
  readonly #link: WalLink | null
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(path: string) {
    this.#database = new Place(path, path)
    this.#wal = new Place(path, `${path}-wal`)
    this.#link = WalLink.open(this.#wal)
  }

  /** Throws `store_unavailable` where one of them is gone or another one. */
  check(): void {
    this.#database.check()
    const now = performance.now()
    if (this.#link?.isUnchanged() === true && now - this.#lookedAt < lookEvery) return
    this.#wal.check()
    this.#lookedAt = now
  }

  close(): void {
    this.#link?.close()
  }
}

/** Milliseconds: what is mounted over a folder changes no link to a file in it, nor does what another machine deletes. */
const lookEvery = 1000

class Place {
  readonly name: string
  readonly #path: string
  readonly #opened: Numbers

  constructor(path: string, name: string) {
    this.name = name
    this.#path = path
    this.#opened = statSync(name, { bigint: true })
  }

  check(): void {
    const found = statSync(this.name, { bigint: true, throwIfNoEntry: false })
    if (found !== undefined && this.is(found)) return
    const what = found === undefined ? 'was deleted or moved away' : 'was replaced by another file'
    throw unavailable(
      this.#path,
      `the state file ${this.name} ${what} while in use: put it back, or start again`,
    )
  }

  is({ ino, dev }: Numbers): boolean {
    return ino === this.#opened.ino && dev === this.#opened.dev
  }
}

interface Numbers {
  readonly ino: bigint
  readonly dev: bigint
}

/** Of this process, on Linux. */
const descriptors = '/proc/self/fd'

/**
 * What Linux says of an open file's path (proc_pid_fd(5)): it changes with the file's name or a folder's, and where the file is
 * deleted. `stat` would ask for the file's times, and where somebody has asked, the kernel gives the next write a time of its
 * own (multigrain timestamps, Linux 6.13): then each flush of the WAL writes its inode too, one more trip to the disk.
 */
class WalLink {
  readonly #file: number
  readonly #link: string
  readonly #target: string

  /** Null where the system has no such links. */
  static open(wal: Place): WalLink | null {
    if (!existsSync(descriptors)) return null
    let file: number | undefined
    try {
      file = openSync(wal.name, 'r')
      if (wal.is(statSync(`${descriptors}/${file}`, { bigint: true }))) return new WalLink(file)
    } catch {
      // No /proc, or no descriptor to spare: then the path is looked at.
    }
    if (file !== undefined) closeSync(file)
    return null
  }

  /** A descriptor of ours: SQLite locks the shared memory's file and the database, and never the WAL, so to close it drops no lock. */
  private constructor(file: number) {
    this.#file = file
    this.#link = `${descriptors}/${file}`
    this.#target = readlinkSync(this.#link)
  }

  isUnchanged(): boolean {
    try {
      return readlinkSync(this.#link) === this.#target
    } catch {
      return false
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}
