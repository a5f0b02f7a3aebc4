// Takes part in one session with whoever else does: so many runs, each with one entry, one after another.
import { join, plain, returned } from './join.mjs'

const [path, supervisor, runs] = process.argv.slice(2)
const store = await join(path, supervisor)
for (let count = 0; count < Number(runs); count++) {
  const run = `${supervisor} ${count}`
  const hold = { run, supervisor, fence: await admitted(run) }
  await store.append(hold, { index: 0, body: JSON.stringify(run), at: Date.now() })
  await store.finishIfHeld(hold, { ...returned, at: Date.now() })
}
await store.unregister(supervisor, Date.now())
await store.close()

async function admitted(run) {
  for (;;) {
    const answer = await store.admit({ run, supervisor, session: 'shared', ...plain, at: Date.now() })
    if (answer.state === 'running') return answer.fence
  }
}
