// Sums up what came of the lanes of `.ci/run`: the words of all tests that failed, the time that each lane took, and, as
// the last line, the counts. Exits with 0 where something passed and nothing failed.
//
//   sum-up.mjs FOLDER LANE...    with, of each lane, LANE/log, LANE/results.json (vitest's), LANE/ended: "STATUS SECONDS BOUND"
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Lines of a failure that are worth reading here; the rest is in the lane's log. */
const most = 60
const [, , folder, ...names] = process.argv
const lanes = names.map(read)

for (const { name, failures } of lanes)
  for (const { title, text } of failures) console.log(`\n== ${name}: ${title}\n${text}`)

console.log('')
for (const { name, seconds, passed, failures } of lanes)
  console.log(`${name}: ${passed} passed, ${failures.length} failed, in ${seconds} s`)

const passed = lanes.reduce((sum, lane) => sum + lane.passed, 0)
const failed = lanes.reduce((sum, lane) => sum + lane.failures.length, 0)
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

function read(name) {
  const path = (file) => join(folder, name, file)
  const [status, seconds, bound] = (text(path('ended')) ?? '1 ? ?').trim().split(' ')
  const results = parse(text(path('results.json')))
  const failures = results === null ? [] : failuresOf(results)
  // A formatter, a linter or a compiler that fails, or a lane that was ended: then no test may have run.
  if (failures.length === 0 && (status !== '0' || results === null)) {
    const left = results === null ? 'no results' : 'no failed test'
    const title = isLate(status)
      ? `not over within ${bound}`
      : `its command exited with ${status}, and left ${left}`
    failures.push({ title, text: last(text(path('log')) ?? '') })
  }
  return { name, seconds, passed: results?.numPassedTests ?? 0, failures }
}

/** What timeout(1) exits with; the second where it had to kill. */
function isLate(status) {
  return status === '124' || status === '137'
}

/** Each test that failed, and each file that could not be run, with all that vitest says of it. */
function failuresOf({ testResults }) {
  const tests = testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => ({
        title: `${file}: ${fullName}`,
        text: failureMessages.join('\n'),
      })),
  )
  const files = testResults
    .filter(
      ({ status, message, assertionResults }) =>
        status === 'failed' && message && !assertionResults.some((test) => test.status === 'failed'),
    )
    .map(({ name, message }) => ({ title: name, text: message }))
  return [...tests, ...files].map(({ title, text }) => ({ title, text: first(text) }))
}

function first(text) {
  const lines = text.trimEnd().split('\n')
  const left = lines.length - most
  return left <= 0 ? lines.join('\n') : `${lines.slice(0, most).join('\n')}\n(and ${left} lines more)`
}

function last(text) {
  return text.trimEnd().split('\n').slice(-most).join('\n')
}

function text(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

/** Null where a lane was ended before its results were written, or while they were. */
function parse(json) {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
