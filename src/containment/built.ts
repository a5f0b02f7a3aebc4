import { access, constants } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The native helper that was built for this machine; null where there is none. */
export async function findHelper(): Promise<string | null> {
  const name = process.platform === 'win32' ? 'coppice-job.exe' : 'coppice-launcher'
  const path = fileURLToPath(new URL(`../../native-helpers/build/${name}`, import.meta.url))
  return access(path, constants.X_OK).then(
    () => path,
    () => null,
  )
}
