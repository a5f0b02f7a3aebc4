import { readFile } from 'node:fs/promises'
import type { Exit, Usage } from '../contract.js'
import { exitOfWait, readEnd } from '../protocol/end.js'
import { FrameReader, fromLauncher } from '../protocol/frames.js'

/** What a guard wrote down because its supervisor was gone: that its tree is empty, and how it became so. */
export interface LastWord {
  readonly exit: Exit
  readonly killed: number
  readonly usage: Usage
}

/** Null where there is none so far. It stays: whoever stores what it says removes it after that. */
export async function readLastWord(path: string): Promise<LastWord | null> {
  const bytes = await readFile(path).catch(() => null)
  const [frame] = bytes === null ? [] : new FrameReader().read(bytes)
  if (frame?.type !== fromLauncher.empty) return null
  return readEnd(frame.body, exitOfWait)
}
