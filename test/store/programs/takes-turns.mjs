// Takes part in one session with whoever else does: so many runs, each with one entry, one after another.
import { openStore } from '#src/store/open.js'

const [path, supervisor, runs] = process.argv.slice(2)
const store = await openStore(path)
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
for (let count = 0; count < Number(runs); count++) {
  const run = `${supervisor} ${count}`
  const hold = { run, supervisor, fence: await admitted(run) }
  await store.append(hold, { index: 0, body: JSON.stringify(run), at: Date.now() })
  const facts = { message: null, forced: false, callback: 'settled', trees: 0, tree: null, error: null }
  await store.finishIfHeld(hold, { cause: 'returned', ...facts, at: Date.now() })
}
await store.unregister(supervisor, Date.now())
await store.close()

async function admitted(run) {
  const rest = { parent: null, request: null, labels: null, priority: 'interactive' }
  for (;;) {
    const answer = await store.admit({ run, supervisor, session: 'shared', ...rest, at: Date.now() })
    if (answer.state === 'running') return answer.fence
  }
}
