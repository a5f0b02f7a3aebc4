// Runs one short run after another in eight sessions, and tells each that was acknowledged as ended.
import { openStore } from '#src/store/open.js'

const [path, generation] = process.argv.slice(2)
const store = await openStore(path)
const supervisor = `writer-${generation}`
const identity = { pid: process.pid, startTime: '1', bootId: 'boot', pidNamespace: '' }
const renewedAt = Date.now()
await store.register({
  id: supervisor,
  host: 'here',
  identity,
  socket: null,
  startedAt: renewedAt,
  renewedAt,
  ttl: 60_000,
})
await Promise.all(Array.from({ length: 8 }, (_, at) => runForEver(`session ${generation} ${at}`)))

async function runForEver(session) {
  for (let count = 0; ; count++) {
    const run = `${session} run ${count}`
    const at = Date.now()
    const rest = { parent: null, request: null, labels: null, priority: 'interactive', at }
    const { fence } = await store.admit({ run, supervisor, session, ...rest })
    const hold = { run, supervisor, fence }
    await store.append(hold, { index: 0, body: JSON.stringify(run), at })
    const facts = { message: null, forced: false, callback: 'settled', trees: 0, tree: null, error: null }
    await store.finishIfHeld(hold, { cause: 'returned', ...facts, at })
    process.stdout.write(`${JSON.stringify({ run, session })}\n`)
  }
}
