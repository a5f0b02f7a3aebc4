// Where the steps of an ending and of a recovery are in dist, each by the line that it comes before; and faults that the
// bed must see, each by the lines that it changes.

const ending = 'supervisor/keeper/ending.js'
const recovery = 'supervisor/keeper/recovery.js'
const transaction = 'store/sqlite/ending.js'
const commits = 'store/sqlite/committer.js'
const teller = 'supervisor/keeper/teller.js'
const acknowledging = 'supervisor/keeper/acknowledging.js'

interface Line {
  readonly file: string
  readonly before: string
}

export const steps: Readonly<Record<string, Line>> = {
  stop: { file: ending, before: '// 1. Stop.' },
  terminate: { file: ending, before: '// 2. Terminate.' },
  grace: { file: ending, before: '// 3. Grace:' },
  kill: { file: ending, before: '// 4. Kill.' },
  drain: { file: ending, before: '// 5. Drain.' },
  'before the finish': { file: ending, before: '// 6. End:' },
  'after the finish': { file: ending, before: '// 7. Tell.' },
  told: { file: ending, before: 'return outcome;\n}\n/** A callback' },
  'in the finish, before the trees': { file: transaction, before: 'if (hasTrees === 1)' },
  'in the finish, before the run': { file: transaction, before: 'end.run(state, cause' },
  'in the finish, before the next': { file: transaction, before: 'const admitted = waitedFor' },
  'in the finish, after the next': {
    file: transaction,
    before: 'return { outcome, admitted, refused, ...told };',
  },
  'in an ordinary finish': { file: transaction, before: 'if (changes === 0)\n            return null' },
  'before a commit': { file: commits, before: 'this.#commit.run()' },
  'after a commit': { file: commits, before: 'return answers;\n        }\n        catch' },
  'before the outbox': { file: 'store/sqlite/outbox.js', before: 'insert.run(seq, session' },
  'before a message is handed over': { file: 'store/sqlite/request-admission.js', before: 'openInbox.run(' },
  'before what is left over': { file: 'store/sqlite/inbox-ending.js', before: 'leave.run(run)' },
  'before an ending is told': { file: teller, before: "this.#keeper.send({ type: 'ending'" },
  'before an acknowledgement': { file: acknowledging, before: 'const { admitted, more } = await' },
  'after an acknowledgement': { file: acknowledging, before: 'for (const next of admitted)' },
  'before a hand-over': {
    file: 'supervisor/keeper/admitted.js',
    before: 'const ours = keeper.runs.get(run);',
  },
  claimed: { file: recovery, before: 'const { bounds } = keeper;' },
  'before the sweep': { file: recovery, before: 'const report = await' },
  'before the finish of a recovery': {
    file: recovery,
    before: 'const { outcome, admitted, refused } = await',
  },
  'after the finish of a recovery': { file: recovery, before: '// A recovery that a locked store' },
  recovered: { file: recovery, before: 'if (admitted !== null)' },
  'before a dead supervisor is forgotten': { file: recovery, before: 'await keeper.store.unregister' },
}

/** Those that a reopening goes through. */
export const recoverySteps: readonly string[] = [
  'before a commit',
  'after a commit',
  'in the finish, before the run',
  'in the finish, after the next',
  ...Object.keys(steps).filter((step) => steps[step]?.file === recovery),
]

interface Edit {
  readonly file: string
  readonly find: string
  readonly put: string
}

/** A fault, the promise that it breaks, and where a crash shows it: at a named step unless at a write. */
interface Mutant {
  readonly breaks: RegExp
  readonly shownAt?: 'writes' | readonly string[]
  /** Of the day's commands, where its own is too short to show the fault on a busy machine. */
  readonly grace?: string
  readonly edits: readonly Edit[]
}

/** Milliseconds in which a planted fault is open to a crash: a moment alone would be a matter of luck. */
const wide = 100

export const mutants: Readonly<Record<string, Mutant>> = {
  'a recovery does not sweep': {
    breaks: /P3/,
    // Else its guards have ended what is left before a slow machine has opened the state again.
    grace: '4s',
    edits: [
      {
        file: recovery,
        find: 'await keeper.containment.sweep(',
        put: "((_) => ({ killed: 0, proof: 'unproven', survivors: [] }))(",
      },
    ],
  },
  'an ending does not wait for its trees': {
    breaks: /P3/,
    // What outlives it has to be seen before its guard has ended it.
    grace: '4s',
    edits: [
      { file: ending, find: 'await settlesWithin(bounds.grace, ', put: 'void (' },
      { file: ending, find: 'const killed = run.kill();', put: 'const killed = false;' },
      { file: ending, find: 'await settlesWithin(bounds.killBound, run.emptied());', put: '' },
    ],
  },
  'an ending is written in a second transaction': {
    breaks: /P2, terminal/,
    edits: [
      {
        file: transaction,
        find: 'end.run(state, cause, message, at, endingText(ending, calls), seq);',
        put: `end.run(state, cause, message, at, '{}', seq);
        setTimeout(() => database.prepare('UPDATE runs SET ending = ? WHERE seq = ?').run(endingText(ending, calls), seq), ${wide});`,
      },
    ],
  },
  'an append answers before its commit': {
    breaks: /P2, acknowledged/,
    shownAt: 'writes',
    edits: [
      {
        file: 'supervisor/keeper/calls.js',
        find: 'return held(keeper, run, keeper.store.append(run.held(), { ...entry, index, at: Date.now() }));',
        put: `const late = () => held(keeper, run, keeper.store.append(run.held(), { ...entry, index, at: Date.now() }));
        setTimeout(() => late().catch(() => {}), ${wide});
        return run.held().fence + '.' + index;`,
      },
    ],
  },
  'a takeover forgets the cause': {
    breaks: /P[25]/,
    edits: [
      {
        file: 'store/sqlite/takeover.js',
        find: "const claim = database.prepare(`\n    UPDATE runs SET state = 'stopping', cause = ifnull(cause, 'lost')",
        put: "const claim = database.prepare(`\n    UPDATE runs SET state = 'stopping', cause = 'lost'",
      },
    ],
  },
  'a takeover keeps the fence': {
    breaks: /P[12]/,
    edits: [
      {
        file: 'store/sqlite/takeover.js',
        find: 'fence = fence + 1, supervisor = (SELECT seq FROM supervisors WHERE id = ?)\n    WHERE $',
        put: 'fence = fence, supervisor = (SELECT seq FROM supervisors WHERE id = ?)\n    WHERE $',
      },
    ],
  },
  'a lost request is over': {
    breaks: /P8, every request/,
    shownAt: ['before a message is handed over@1', 'before what is left over@1'],
    edits: [
      {
        file: 'store/sqlite/requests.js',
        find: "return cause === 'lost' ? 'pending' : 'open';",
        put: "return 'open';",
      },
    ],
  },
  'what is left over is forgotten': {
    breaks: /P8, every request/,
    shownAt: ['before a message is handed over@1', 'before what is left over@1'],
    edits: [{ file: 'store/sqlite/inbox-ending.js', find: 'leave.run(run);', put: '' }],
  },
  'an ending is acknowledged as it is told': {
    breaks: /P8, every ending/,
    shownAt: ['before an ending is told@2', 'before an ending is told@3'],
    edits: [
      {
        file: teller,
        find: 'const { store, id, renewedAt, ttl } = this.#keeper;',
        put: 'const { store, id, renewedAt, ttl } = this.#keeper; await store.acknowledge([ending.seq], 0);',
      },
    ],
  },
  'a recovery finds nothing': {
    breaks: /P2, all ends/,
    edits: [
      {
        file: recovery,
        find: 'const gone = await howGone(keeper, supervisor);\n    if (gone === null)\n        return false;',
        put: 'return false;',
      },
    ],
  },
}
