/** Why a test of this file is not run on Windows under Wine; null where it is. */
export function leftOut(file: string, test: string): string | null {
  return list.find((one) => one.file === file && (one.test === undefined || one.test.test(test)))?.why ?? null
}

/** The files of which no test is run. */
export function leftOutWhole(): readonly string[] {
  return list.filter(({ test }) => test === undefined).map(({ file }) => file.replace(/\.test\.ts$/, ''))
}

interface LeftOut {
  readonly file: string
  /** Of which tests of it; left out, of all. */
  readonly test?: RegExp
  readonly why: string
}

/** What Windows has not got, or has otherwise. */
const signals = 'Windows has no signals that a process could handle: to kill one is to end it at once'
const frozen = 'Windows stops no process from outside: there is no SIGSTOP'
const posix = 'what it looks at is of POSIX: /proc, descriptors, modes of files, process groups, priorities'
const linux = 'what it looks at is of Linux alone'
const asksNobody = 'by group nobody is asked on Windows, and its proof is another'
const code = 'who is asked and has no handler exits with a code on Windows, and with SIGTERM elsewhere'
const openFile = 'Windows lets nobody rename or remove a file that is open'
const pattern = 'it looks for a path as a pattern, in which a backslash of Windows means another thing'
const shell = 'its tools are lines of a shell, or programs of POSIX, that the stand-in does not play'
const terminal = 'a terminal of POSIX'
const atOnce =
  'a tree ends with its supervisor on Windows: its recovery takes no time in which something could come'
/** What Wine has not got. */
const network = 'Windows’ Node has no TCP to this machine under Wine 8'
const limits = 'Wine holds no limits'
const crowd = 'of so many that Node starts at once Wine now and then fails one (spawn UNKNOWN)'
const slow = 'it takes minutes under Wine, or bounds what takes longer there'
const same = 'it shows little of Windows that what runs does not, and the bed has four minutes'

export const list: readonly LeftOut[] = [
  // plain.test.ts starts them one by one.
  { file: 'beds/windows/job.test.ts', test: /passes every code from 0 to 255 through/, why: crowd },
  {
    file: 'supervisor/attempts.test.ts',
    test: /^case 21: (a model call|Retry-After|how often)|one under way is aborted|ends in a pause/,
    why: network,
  },
  { file: 'supervisor/clean-start.test.ts', why: posix },
  { file: 'supervisor/deploy.test.ts', why: network },
  { file: 'supervisor/ending.test.ts', test: /case 21: /, why: network },
  { file: 'supervisor/events.test.ts', test: /^storeTrouble: /, why: openFile },
  { file: 'supervisor/exec.test.ts', test: /its own timeout ends it|an ended run rejects/, why: code },
  { file: 'supervisor/exec.test.ts', test: /resolves for every exit|a wrong folder|steps back/, why: posix },
  { file: 'supervisor/failed-launch.test.ts', why: posix },
  { file: 'supervisor/first-process.test.ts', why: linux },
  { file: 'supervisor/frozen.test.ts', why: frozen },
  { file: 'supervisor/grace.test.ts', test: /, by group /, why: asksNobody },
  { file: 'supervisor/grace.test.ts', test: /wall clock jumps|guards and launcher/, why: linux },
  { file: 'supervisor/hung-launch.test.ts', why: linux },
  // escapes.test.ts and supervisor.test.ts kill helper and supervisor.
  { file: 'supervisor/killed.test.ts', why: linux },
  { file: 'supervisor/limits.test.ts', why: limits },
  { file: 'supervisor/memory-trend.test.ts', why: linux },
  { file: 'supervisor/owners.test.ts', why: linux },
  { file: 'supervisor/output.test.ts', test: /, by group /, why: asksNobody },
  { file: 'supervisor/output.test.ts', test: /outside the tree|a line of 10 MB|input of 10 MB/, why: shell },
  { file: 'supervisor/output.test.ts', test: /a flood without a newline/, why: code },
  { file: 'supervisor/processes.test.ts', test: /^handleSignals /, why: signals },
  { file: 'supervisor/runtime-folder.test.ts', why: posix },
  { file: 'supervisor/shutdown.test.ts', test: /whatever hangs /, why: signals },
  { file: 'supervisor/stopped-writer.test.ts', why: frozen },
  { file: 'supervisor/stopping.test.ts', why: signals },
  { file: 'supervisor/subagents.test.ts', test: /three deep through real commands/, why: shell },
  { file: 'supervisor/subagents.test.ts', test: /one whose process is stopped/, why: frozen },
  { file: 'supervisor/subagents.test.ts', test: /in the tree of a run that stops/, why: signals },
  { file: 'supervisor/tracing.test.ts', test: /^a run is a span/, why: shell },
  { file: 'supervisor/tracing.test.ts', test: /what did not go well/, why: code },
  { file: 'supervisor/tree.test.ts', why: linux },
  { file: 'supervisor/trouble.test.ts', test: /that slept through its turn/, why: frozen },
  { file: 'supervisor/trouble.test.ts', test: /a state file that is away/, why: openFile },
  { file: 'supervisor/trouble.test.ts', test: /that nobody reads|on a full disk/, why: shell },
  {
    file: 'supervisor/trouble.test.ts',
    test: /a close in the middle of a recovery: the caller/,
    why: atOnce,
  },
  { file: 'supervisor/trouble.test.ts', test: /two supervisors that handle signals/, why: signals },
  { file: 'supervisor/waiters.test.ts', why: slow },
  { file: 'supervisor/many-waiters.test.ts', why: slow },
  { file: 'supervisor/locked-recovery.test.ts', why: slow },
  { file: 'supervisor/want.test.ts', why: linux },
  { file: 'supervisor/zombies.test.ts', why: linux },
  { file: 'cli/bad-input.test.ts', test: /case 2: commands/, why: pattern },
  { file: 'cli/bad-input.test.ts', test: /states: 125|may not be written/, why: posix },
  { file: 'cli/doctor.test.ts', test: /tells people what was found/, why: posix },
  { file: 'cli/doctor.test.ts', test: /answers soon/, why: slow },
  { file: 'cli/health.test.ts', test: /one that is stopped/, why: frozen },
  { file: 'cli/health.test.ts', test: /is blocked for its loopTimeout/, why: signals },
  { file: 'cli/progress.test.ts', why: terminal },
  { file: 'cli/ps-tree.test.ts', test: /draws each run|what a number has used/, why: posix },
  { file: 'cli/run.test.ts', test: /deaths by signal|case 15: |a second signal/, why: signals },
  { file: 'cli/run.test.ts', test: /when nobody reads it any more/, why: shell },
  { file: 'cli/run.test.ts', test: /case 18: over a limit/, why: limits },
  { file: 'cli/terminal.test.ts', why: terminal },
  { file: 'cli/unread.test.ts', why: shell },
  { file: 'cli/why.test.ts', test: /it is frozen/, why: frozen },
  { file: 'cli/why.test.ts', test: /held by a callback/, why: pattern },
  { file: 'supervisor/requests.test.ts', why: same },
  { file: 'supervisor/stalls.test.ts', why: same },
  { file: 'supervisor/taking-over.test.ts', why: same },
  { file: 'supervisor/endings.test.ts', why: same },
  { file: 'supervisor/breaker.test.ts', why: same },
  { file: 'supervisor/logging.test.ts', why: same },
  { file: 'supervisor/budgets.test.ts', why: same },
  { file: 'supervisor/threads.test.ts', why: same },
  { file: 'supervisor/tree-budgets.test.ts', why: same },
  { file: 'supervisor/retention.test.ts', why: same },
  { file: 'supervisor/isolation.test.ts', why: same },
  { file: 'supervisor/stdio.test.ts', why: same },
  { file: 'supervisor/pace.test.ts', why: same },
  { file: 'supervisor/decoding.test.ts', why: same },
  { file: 'supervisor/stall-watch.test.ts', why: same },
  { file: 'cli/look.test.ts', why: same },
  { file: 'cli/prune.test.ts', why: same },
]
