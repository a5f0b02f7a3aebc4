import { spawnSync } from 'node:child_process'

const asRoot = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--mount']
const asUser = [...asRoot, '--user', '--map-root-user']

/** The words that run a command as the first process of a pid namespace of its own; null where the kernel refuses it. */
export const inPidNamespace: readonly string[] | null =
  [asRoot, asUser].find(([command = '', ...args]) => spawnSync(command, [...args, 'true']).status === 0) ??
  null

/** An init, for a first process that reaps what is not its own; null where none is installed. */
export const init: readonly string[] | null =
  [
    ['tini', '--'],
    ['catatonit', '--'],
    ['dumb-init', '--'],
  ].find(([name = '']) => spawnSync('which', [name]).status === 0) ?? null
