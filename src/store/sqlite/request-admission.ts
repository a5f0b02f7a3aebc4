/** What becomes of an admission whose request is known already, or goes to the run that holds the session. */
import type { DatabaseSync } from 'node:sqlite'
import type { isTerminal } from '../../runs/states.js'
import type { Admission, Delivered, Existing, Refused } from '../admission-contract.js'
import { finder } from './finding.js'
import { refuseVerb } from './refusal.js'
import { type RequestRow, requestWriter, scopeOf } from './requests.js'
import { as } from './rows.js'
import { isInInbox } from './schema.js'

/** The rows of an admission's session. */
interface Place {
  /** Null for a session that is new, and for none. */
  readonly session: number | null
  readonly free: boolean
}

export function requestAdmission(database: DatabaseSync) {
  const requests = requestWriter(database)
  const refuse = refuseVerb(database)
  const { find } = finder(database)
  const idOf = database.prepare('SELECT id, state FROM runs WHERE seq = ?')
  const activeOf = database.prepare("SELECT seq, id FROM runs WHERE session = ? AND state = 'running'")
  const messagesOf = database.prepare(`
    SELECT count(*) AS count FROM (
      SELECT 1 FROM requests INDEXED BY inbox WHERE run = ? AND ${isInInbox} AND state <> 'done' LIMIT ?)`)
  const openInbox = database.prepare('UPDATE runs SET inbox = 1 WHERE seq = ? AND inbox IS NULL')

  /** Undefined where the run goes on like any other. */
  return (admission: Admission, { session, free }: Place): Existing | Delivered | Refused | undefined => {
    const { request, maxTries } = admission
    if (request === null) return undefined
    const scope = scopeOf(admission.session, session)
    const known = requests.find(scope, request.id)
    if (known !== undefined) {
      const answer = existing(known, admission.run)
      if (answer !== undefined) return answer === 'itself' ? undefined : answer
      if (known.state === 'pending' && known.tries >= maxTries) {
        const message = `request ${request.id} was tried ${known.tries} times, and no more than ${maxTries} may be`
        return refuse(admission, 'request_exhausted', message, { tries: known.tries })
      }
    }
    return admission.delivers && session !== null && !free ? deliver(admission, session) : undefined
  }

  /** `itself`: the same admission again. Undefined where nobody has the request any more. */
  function existing({ run, state }: RequestRow, asked: string): Existing | Delivered | 'itself' | undefined {
    const row = as<{ id: string; state: Parameters<typeof isTerminal>[0] }>(idOf.get(run))
    if (row === undefined) return undefined
    if (row.id === asked) return 'itself'
    if (state === 'pending' || state === 'refused') return undefined
    const isMessage = state === 'delivered' || state === 'taken'
    return { state: isMessage ? 'delivered' : 'existing', run: find(row.id) }
  }

  function deliver(admission: Admission, session: number): Delivered | Refused | undefined {
    const active = as<{ seq: number; id: string }>(activeOf.get(session))
    if (active === undefined) return undefined
    const { maxWaiters } = admission
    const { count } = as<{ count: number }>(messagesOf.get(active.seq, maxWaiters)) ?? { count: 0 }
    if (count >= maxWaiters) {
      const message = `run ${active.id} has ${count} messages that are not done, and no more than ${maxWaiters} may wait`
      return refuse(admission, 'queue_full', message)
    }
    requests.assign(admission, session, active.seq, { state: 'delivered', begins: false })
    openInbox.run(active.seq)
    return { state: 'delivered', run: find(active.id) }
  }
}
