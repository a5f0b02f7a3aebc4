import type { Check, Finding, Fix, Place } from '../check.js'
import type { StateFiles } from '../inspection.js'
import { Inspector } from '../inspector.js'

const others = 0o077
const writable = 0o022
const sticky = 0o1000
const fixBound = 5_000

/** Whether others can read what runs wrote, or put another file in the state's place. Windows has no such bits. */
export const permissions: Check = {
  name: 'permissions',
  title: 'who may read and write the state',
  async look(place) {
    const [files, runtime] = await Promise.all([
      place.inspector.part('files'),
      place.inspector.part('runtime'),
    ])
    const fix = restrict(place)
    const open = files.files.filter(({ mode }) => (mode & others) !== 0)
    const ownFolders = [
      ...(files.exists && files.folder?.isOwn ? [files.folder] : []),
      ...(runtime.mode === null ? [] : [{ path: runtime.path, mode: runtime.mode }]),
    ].filter(({ mode }) => (mode & others) !== 0)
    const findings = [...open, ...ownFolders].map((one) => readable(one, fix))
    return { says: 'for its owner alone', findings: [...findings, ...replaceable(files)] }
  },
}

function readable({ path, mode }: { readonly path: string; readonly mode: number }, fix: Fix): Finding {
  return {
    severity: 'warning',
    found: `${path} has mode ${octal(mode)}: other users may use it`,
    why: 'transcripts, requests and the sockets of supervisors are in there; who writes to it can end any run',
    mends: `coppice doctor --fix, or chmod ${octal(mode & ~others & 0o777)} ${path}`,
    facts: { path, mode: octal(mode) },
    fix,
  }
}

/** Not coppice's to change: the folder is somebody's, and may be shared on purpose. */
function replaceable({ exists, folder }: StateFiles): Finding[] {
  if (!exists || folder === null || folder.isOwn) return []
  const { path, mode } = folder
  if ((mode & writable) === 0 || (mode & sticky) !== 0) return []
  return [
    {
      severity: 'warning',
      found: `the state’s folder ${path} has mode ${octal(mode)}: other users may put another file in its place`,
      why: 'a state that is replaced while it is in use is lost',
      mends: `chmod go-w ${path}, or keep the state in a folder of its own`,
      facts: { path, mode: octal(mode) },
    },
  ]
}

function restrict({ task, inspector }: Place): Fix {
  return async () => {
    const before = await inspector.part('files')
    const fixing = new Inspector({ ...task, what: 'restrict' }, fixBound)
    const after = await fixing.part('files').finally(() => fixing.stop())
    const changed = after.files.filter(({ path, mode }) =>
      before.files.some((one) => one.path === path && one.mode !== mode),
    )
    return [
      `took from other users what they could do with ${[...changed.map(({ path }) => path), 'coppice’s own folders'].join(', ')}`,
    ]
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
