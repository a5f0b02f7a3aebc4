import { createHash, randomBytes } from 'node:crypto'
import type { Identity } from '../../identity.js'

/**
 * The names of the cgroups that we make: `coppice-PID-START-NAMESPACE-RANDOM` for a supervisor, in it one for each owner
 * of trees, in it one for each tree, by which whoever comes later knows whose they are.
 */

export function supervisorName({ pid, startTime, pidNamespace }: Identity): string {
  return ['coppice', pid, startTime, namespaceNumber(pidNamespace), randomBytes(4).toString('hex')].join('-')
}

/** The process that made it, where it is of this pid namespace; cgroups do not outlive a boot. Null for any other name. */
export function supervisorOf(name: string, here: Identity): Identity | null {
  const [, pid, startTime, namespace] = /^coppice-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/.exec(name) ?? []
  if (pid === undefined || startTime === undefined || namespace !== namespaceNumber(here.pidNamespace))
    return null
  return { ...here, pid: Number(pid), startTime }
}

export function ownerName(owner: string): string {
  return `of-${encode(owner)}`
}

export function treeName(tree: string, run: string | null): string {
  return `tree-${encode(tree)}:${run === null ? '' : encode(run)}`
}

/** The run that the tree of this cgroup is for; null where it has none, or one whose name is too long to be told. */
export function runOf(name: string): string | null {
  const [, encoded] = /^tree-[^:]*:(.+)$/.exec(name) ?? []
  return encoded === undefined || encoded.startsWith('#') ? null : decodeURIComponent(encoded)
}

/** A name is of at most 255 bytes, without slashes and line feeds. */
function encode(text: string): string {
  const encoded = encodeURIComponent(text.toWellFormed())
  return encoded.length <= 110 ? encoded : `#${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
}

function namespaceNumber(pidNamespace: string): string {
  return /\d+/.exec(pidNamespace)?.[0] ?? '0'
}
