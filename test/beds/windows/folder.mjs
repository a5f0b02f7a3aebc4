import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where the Windows of the checkout at `root` is: Wine's prefix. */
export function windowsFolder(root) {
  const mark = createHash('sha256').update(resolve(root)).digest('hex').slice(0, 8)
  return join(tmpdir(), `coppice-windows-${process.getuid?.() ?? 0}-${mark}`)
}
