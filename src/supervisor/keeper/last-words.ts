import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type LastWord, readLastWord } from '../../containment/guard/last-word.js'

/** Where the guard of a dead supervisor's tree leaves word, by that supervisor's socket. */
export function lastWordBeside(socket: string, tree: string): string {
  return join(dirname(socket), `${tree}.end`)
}

/**
 * What guards said of trees of this run that are not among the known: a supervisor that dies in the moment after a launch has not
 * recorded it, and only its guard knows what became of it.
 */
export async function unknownWords(
  socket: string,
  run: string,
  known: readonly string[],
): Promise<Array<{ readonly path: string; readonly word: LastWord }>> {
  const folder = dirname(socket)
  const names = await readdir(folder).catch(() => [])
  const paths = names
    .filter((name) => name.startsWith(`${run}.`) && name.endsWith('.end'))
    .map((name) => join(folder, name))
    .filter((path) => !known.includes(path))
  const words = await Promise.all(paths.map(async (path) => ({ path, word: await readLastWord(path) })))
  return words.flatMap(({ path, word }) => (word === null ? [] : [{ path, word }]))
}
