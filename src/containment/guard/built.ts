import { access, constants } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The launcher that was built for this machine; null where there is none. */
export async function findHelper(): Promise<string | null> {
  const path = fileURLToPath(new URL('../../../native-helpers/build/coppice-launcher', import.meta.url))
  return access(path, constants.X_OK).then(
    () => path,
    () => null,
  )
}
