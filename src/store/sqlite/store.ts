/**
 * The store in a file. Every writing verb is one request to the committer, on the lane of its run, so that what one
 * run asks for happens in order; every reading one sees one committed state.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Breaker } from '../../runs/breaker.js'
import type { Cause } from '../../runs/causes.js'
import type { SubagentLimits } from '../../runs/subagents.js'
import type { Admission, Admitted, Delivered, Existing, Queued, Refused } from '../admission-contract.js'
import type { Store } from '../contract.js'
import type { Acknowledged, EndingRecord, Finished, Pruned, ToldEnding } from '../ending-contract.js'
import type {
  Census,
  CommitTimes,
  EntryMark,
  RunFilter,
  StoredSession,
  TranscriptItem,
  TranscriptRange,
} from '../looking-contract.js'
import type {
  EntryRecord,
  Hold,
  Stop,
  StoredRun,
  StoredTree,
  SupervisorRecord,
  TreeEnded,
  TreeLaunched,
} from '../records.js'
import type { Message, PendingFilter, PendingRequest, StoredRequest } from '../request-contract.js'
import { admissionVerbs } from './admission.js'
import { breakerVerbs } from './breaker.js'
import { censusVerb } from './census.js'
import type { Committer } from './committer.js'
import { endingVerbs } from './ending.js'
import { listingVerbs } from './listing.js'
import { lockHolders } from './lock-holders.js'
import { outboxVerbs } from './outbox.js'
import { readingVerbs } from './reading.js'
import { RememberedRuns } from './remembered.js'
import { requestVerbs } from './requests.js'
import { pruneVerb } from './retention.js'
import { supervisorVerbs } from './supervisors.js'
import { takeoverVerbs } from './takeover.js'
import { transcriptVerb } from './transcript.js'
import { waiterVerbs } from './waiters.js'
import { writingVerbs } from './writing.js'

export class SqliteStore implements Store {
  readonly location: string
  readonly #committer: Committer
  readonly #verbs: ReturnType<typeof verbsOf>

  constructor(location: string, database: DatabaseSync, committer: Committer) {
    this.location = location
    this.#committer = committer
    this.#verbs = verbsOf(database)
  }

  register(supervisor: SupervisorRecord, subagents?: SubagentLimits): Promise<void> {
    return this.#urgent(supervisor.id, () => this.#verbs.register(supervisor, subagents))
  }

  renew(supervisor: string, at: number, blockedSince: number | null): Promise<void> {
    return this.#urgent(supervisor, () => this.#verbs.renew(supervisor, at, blockedSince))
  }

  unregister(supervisor: string, at: number): Promise<void> {
    return this.#write(supervisor, () => this.#verbs.unregister(supervisor, at))
  }

  supervisors(): Promise<SupervisorRecord[]> {
    return this.#committer.read(() => this.#verbs.supervisors())
  }

  admit(admission: Admission): Promise<Admitted | Queued | Refused | Delivered | Existing> {
    const { run, request } = admission
    return this.#write(run, () => this.#verbs.admit(admission), request?.payload?.length)
  }

  refuse(admission: Admission, cause: Cause, message: string): Promise<Refused | Delivered | Existing> {
    const { run, request } = admission
    return this.#write(run, () => this.#verbs.refuse(admission, cause, message), request?.payload?.length)
  }

  endIfWaiting(run: string, cause: Cause, message: string | null, at: number): Promise<StoredRun> {
    return this.#urgent(run, () => this.#verbs.endIfWaiting(run, cause, message, at))
  }

  append(hold: Hold, entry: EntryRecord): Promise<string> {
    return this.#write(hold.run, () => this.#verbs.append(hold, entry), entry.body.length)
  }

  draft(hold: Hold, draft: string | null): Promise<void> {
    return this.#write(hold.run, () => this.#verbs.draft(hold, draft), draft?.length)
  }

  waits(hold: Hold, waits: string | null): Promise<void> {
    return this.#write(hold.run, () => this.#verbs.waits(hold, waits), waits?.length)
  }

  check(hold: Hold): Promise<void> {
    return this.#committer.read(() => this.#verbs.check(hold))
  }

  treeLaunched(hold: Hold, tree: TreeLaunched): Promise<void> {
    return this.#write(hold.run, () => this.#verbs.treeLaunched(hold, tree), tree.command.length)
  }

  treeEnded(hold: Hold, tree: TreeEnded): Promise<void> {
    return this.#write(hold.run, () => this.#verbs.treeEnded(hold, tree))
  }

  markStopping(hold: Hold, stop: Stop, at: number): Promise<Stop> {
    return this.#urgent(hold.run, () => this.#verbs.markStopping(hold, stop, at))
  }

  finishIfHeld(hold: Hold, ending: EndingRecord): Promise<Finished> {
    return this.#urgent(hold.run, () => this.#verbs.finishIfHeld(hold, ending))
  }

  requestCancel(run: string, stop: Stop, at: number): Promise<StoredRun> {
    return this.#urgent(run, () => this.#verbs.requestCancel(run, stop, at))
  }

  takeOverIfUnchanged(seen: StoredRun, supervisor: string, at: number): Promise<Hold | null> {
    return this.#urgent(seen.id, () => this.#verbs.takeOverIfUnchanged(seen, supervisor, at))
  }

  takeOverByForce(run: string, supervisor: string, at: number): Promise<Hold | null> {
    return this.#urgent(run, () => this.#verbs.takeOverByForce(run, supervisor, at))
  }

  run(run: string): Promise<StoredRun | null> {
    return this.#committer.read(() => this.#verbs.run(run))
  }

  runs(filter: RunFilter): Promise<StoredRun[]> {
    return this.#verbs.runs(filter, (read) => this.#committer.read(read))
  }

  trees(run: string): Promise<StoredTree[]> {
    return this.#committer.read(() => this.#verbs.trees(run))
  }

  subagents(run: string): Promise<StoredRun[]> {
    return this.#committer.read(() => this.#verbs.subagents(run))
  }

  sessions(): Promise<StoredSession[]> {
    return this.#committer.read(() => this.#verbs.sessions())
  }

  breaker(session: string): Promise<Breaker | null> {
    return this.#committer.read(() => this.#verbs.breaker(session))
  }

  closeBreaker(session: string): Promise<Breaker | null> {
    return this.#urgent(session, () => this.#verbs.closeBreaker(session))
  }

  queueLength(session: string): Promise<number> {
    return this.#committer.read(() => this.#verbs.queueLength(session))
  }

  waiters(session: string): Promise<StoredRun[]> {
    return this.#committer.read(() => this.#verbs.waiters(session))
  }

  entryMarks(run: string): Promise<EntryMark[]> {
    return this.#committer.read(() => this.#verbs.entryMarks(run))
  }

  census(): Promise<Census> {
    return this.#committer.read(() => this.#verbs.census())
  }

  commits(): CommitTimes {
    return this.#committer.times()
  }

  stranded(supervisor: string): Promise<string[]> {
    return this.#committer.read(() => this.#verbs.stranded(supervisor))
  }

  holder(session: string): Promise<StoredRun | null> {
    return this.#committer.read(() => this.#verbs.holder(session))
  }

  transcript(session: string, range: TranscriptRange): Promise<TranscriptItem[]> {
    return this.#committer.read(() => this.#verbs.transcript(session, range))
  }

  request(session: string | null, id: string): Promise<StoredRequest | null> {
    return this.#committer.read(() => this.#verbs.request(session, id))
  }

  pending(filter: PendingFilter): Promise<PendingRequest[]> {
    return this.#committer.read(() => this.#verbs.pending(filter))
  }

  begun(hold: Hold): Promise<number> {
    return this.#write(hold.run, () => this.#verbs.begun(hold))
  }

  messages(hold: Hold, ask: Parameters<Store['messages']>[1]): Promise<Message[]> {
    return this.#write(hold.run, () => this.#verbs.messages(hold, ask))
  }

  tells(supervisor: string): Promise<void> {
    return this.#write(supervisor, () => this.#verbs.tells(supervisor))
  }

  claimEndings(supervisor: string, limit: number, at: number): Promise<ToldEnding[]> {
    return this.#write(supervisor, () => this.#verbs.claimEndings(supervisor, limit, at))
  }

  ownEndings(supervisor: string, endings: readonly number[]): Promise<number[]> {
    return this.#committer.read(() => this.#verbs.ownEndings(supervisor, endings))
  }

  acknowledge(endings: readonly number[], at: number, patient = false): Promise<Acknowledged> {
    const write = () => this.#verbs.acknowledge(endings, at)
    return this.#committer.write({ write, lane: 'outbox', patient })
  }

  leaveEndings(supervisor: string, which: Parameters<Store['leaveEndings']>[1]): Promise<void> {
    return this.#write(supervisor, () => this.#verbs.leaveEndings(supervisor, which))
  }

  untold(): Promise<number> {
    return this.#committer.read(() => this.#verbs.untold())
  }

  admitWaiting(session: string, at: number): Promise<Finished['admitted']> {
    return this.#urgent(session, () => this.#verbs.admitWaiting(session, at))
  }

  prune(retention: Parameters<Store['prune']>[0]): Promise<Pruned> {
    return this.#write('retention', () => this.#verbs.prune(retention))
  }

  version(): Promise<unknown> {
    return this.#committer.read(() => this.#verbs.version())
  }

  lockHolders(): Promise<number[]> {
    return lockHolders(this.location)
  }

  close(): Promise<void> {
    return this.#committer.close()
  }

  #write<T>(lane: string, write: () => T, characters = 0): Promise<T> {
    return this.#committer.write({ write, lane, bytes: characters })
  }

  #urgent<T>(lane: string, write: () => T): Promise<T> {
    return this.#committer.write({ write, lane, urgent: true })
  }
}

function verbsOf(database: DatabaseSync) {
  const remembered = new RememberedRuns()
  return {
    ...supervisorVerbs(database),
    ...admissionVerbs(database, remembered),
    ...writingVerbs(database, remembered),
    ...endingVerbs(database, remembered),
    ...takeoverVerbs(database),
    ...readingVerbs(database),
    ...waiterVerbs(database),
    ...breakerVerbs(database),
    census: censusVerb(database),
    ...requestVerbs(database),
    ...outboxVerbs(database),
    prune: pruneVerb(database),
    runs: listingVerbs(database),
    transcript: transcriptVerb(database),
  }
}
