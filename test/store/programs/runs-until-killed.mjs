// Runs one short run after another in eight sessions, and tells each that was acknowledged as ended.
import { join, plain, returned } from './join.mjs'

const [path, generation] = process.argv.slice(2)
const supervisor = `writer-${generation}`
const store = await join(path, supervisor)
await Promise.all(Array.from({ length: 8 }, (_, at) => runForEver(`session ${generation} ${at}`)))

async function runForEver(session) {
  for (let count = 0; ; count++) {
    const run = `${session} run ${count}`
    const at = Date.now()
    const { fence } = await store.admit({ run, supervisor, session, ...plain, at })
    const hold = { run, supervisor, fence }
    await store.append(hold, { index: 0, body: JSON.stringify(run), at })
    await store.finishIfHeld(hold, { ...returned, at })
    process.stdout.write(`${JSON.stringify({ run, session })}\n`)
  }
}
