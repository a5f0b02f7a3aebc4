/** Another supervisor's process on the same state file, which commits all the time until its stdin closes. */
import { openStore } from '#src/store/open.js'
import { cycle, register } from './cycles.ts'

const [path = ''] = process.argv.slice(2)
const store = await openStore(path)
const supervisor = `neighbour-${process.pid}`
await register(store, supervisor)
let isOver = false
process.stdin.on('close', () => {
  isOver = true
})
process.stdin.resume()
process.stdout.write('ready\n')
const { cycles, ms } = await cycle(store, supervisor, 16, () => isOver)
process.stdout.write(`${Math.round((cycles / ms) * 1_000)}\n`)
await store.close()
