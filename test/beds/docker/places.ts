/** The ways in which a container is started here. Each runs what the image runs, or the words that follow. */

export const gateway = 'coppice-bed/gateway'
export const suites = 'coppice-bed/suites'

export type FirstProcess = 'tini' | 'docker-init' | 'node'

/** As in examples/docker: what its README and its compose file say. A default `/tmp` could not run what tests write there. */
export const hardened: readonly string[] = [
  '--read-only',
  '--tmpfs=/tmp:exec',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges:true',
]

/** By whom the program is started: the image's own init, docker's, or by nobody, and then it is PID 1 itself. */
const starts: Record<FirstProcess, readonly string[]> = {
  tini: [],
  'docker-init': ['--init', '--entrypoint='],
  node: ['--entrypoint='],
}

/** The words before a container's command, without `docker`. */
export function inContainer(
  first: FirstProcess,
  flags: readonly string[],
  image: string = suites,
): readonly string[] {
  return ['run', '--network=none', ...starts[first], ...flags, image]
}
