// Runs one after another in many sessions, and says how long the quickest of its late requests took, or how the first that
// failed did.
//
//   crowds.mjs STATE MS
import { join, plain, returned } from './join.mjs'

const [path, ms] = process.argv.slice(2)
const supervisor = 'crowd'
const store = await join(path, supervisor)
const begun = performance.now()
const until = begun + Number(ms)
let quickest = Number.POSITIVE_INFINITY
let failure = null
let runs = 0

await Promise.all(Array.from({ length: 48 }, (_, at) => crowd(`session ${at}`)))
console.log(JSON.stringify({ quickest, failure }))
process.exit(0)

async function crowd(session) {
  while (performance.now() < until && failure === null) {
    try {
      const run = `run ${++runs}`
      const at = Date.now()
      const { fence } = await timed(store.admit({ run, supervisor, session, ...plain, at }))
      await timed(store.finishIfHeld({ run, supervisor, fence }, { ...returned, at }))
    } catch ({ code, message }) {
      failure ??= { code, message }
    }
  }
}

async function timed(request) {
  const asked = performance.now()
  const answer = await request
  // By then the crowd has been noticed.
  if (asked > (begun + until) / 2) quickest = Math.min(quickest, performance.now() - asked)
  return answer
}
