import { readdir, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'

const minute = 60_000
/** Between the moment in which a socket has its name and that in which it answers, nobody is to remove it. */
const youngestSocket = minute
/** Whoever recovers a run reads how its trees ended, and that may be after a while in which nobody was there. */
const youngestWord = 7 * 24 * 60 * minute

/**
 * Removes what supervisors left that crashed, of whichever state: sockets that nobody answers, and old words about the
 * ends of trees. Everything else in the folder is left alone. Resolves to the paths that were removed.
 */
export async function cleanRuntimeFolder(folder: string): Promise<string[]> {
  const left = await leftInRuntimeFolder(folder)
  await Promise.all(left.map((path) => rm(path, { force: true })))
  return left
}

/** The paths of what nobody needs any more. */
export async function leftInRuntimeFolder(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  const left = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      if (/^s[0-9a-z]+\.sock$/.test(name))
        return (await isOlder(path, youngestSocket)) && (await isDead(path)) ? [path] : []
      if (/^[0-9a-z]+(\.\d+)?\.end$/.test(name)) return (await isOlder(path, youngestWord)) ? [path] : []
      return []
    }),
  )
  return left.flat()
}

async function isOlder(path: string, age: number): Promise<boolean> {
  const found = await stat(path).catch(() => null)
  return found !== null && Date.now() - found.mtimeMs > age
}

/** Refused, and nothing else: a supervisor that does not answer may still have its socket. */
function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
}
