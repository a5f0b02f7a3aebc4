// Opens a store without the rights of root, and tells what it was told.
import { openStore } from '#src/store/open.js'

if (process.getuid?.() === 0) {
  process.setgid?.(65534)
  process.setuid?.(65534)
}
const told = await openStore(process.argv[2]).then(
  () => ({}),
  ({ code, message, path }) => ({ code, message, path }),
)
process.stdout.write(JSON.stringify(told))
