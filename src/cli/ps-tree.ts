import { formatRoughSize } from '../sizes.js'
import type { RunView, TreeProcess, TreeView } from '../supervisor/host/views.js'
import { type LookOptions, look } from './look.js'
import { age, type Cell, duration, printJson, printTable } from './printing.js'

type TreeOfRun = TreeView & { readonly processes: readonly TreeProcess[] }
type RunWithTrees = RunView & { readonly trees: readonly TreeOfRun[] }

/** `coppice ps --tree` */
export async function psTree(options: LookOptions & { readonly all?: boolean }): Promise<void> {
  const runs = await look(options, [], async (observer) => {
    const found = await observer.runs(options.all === true ? { limit: 100 } : { state: 'live' })
    const live = found.filter(({ outcome }) => outcome === null).map(({ run }) => run)
    const [processes, trees] = await Promise.all([
      observer.processes(live),
      Promise.all(found.map(({ run }) => observer.trees(run))),
    ])
    return found.map((run, i): RunWithTrees => {
      const running = (trees[i] ?? []).filter(({ end }) => end === null)
      return { ...run, trees: running.map((tree) => withProcesses(tree, processes)) }
    })
  })
  if (options.json === true) return printJson(runs)
  const ids = new Set(runs.map(({ run }) => run))
  const roots = runs.filter(({ parent }) => parent === null || !ids.has(parent))
  const rows = roots.flatMap((run) => draw(runNode(run, runs), '', ''))
  await printTable(['RUN', 'PID', 'STATE', 'AGE', 'CPU', 'MEMORY'], rows, 0)
}

function withProcesses(tree: TreeView, processes: readonly TreeProcess[]): TreeOfRun {
  return { ...tree, processes: processes.filter((one) => one.tree === tree.tree) }
}

/** What is drawn as one line, with what hangs on it. */
interface Node {
  readonly name: string
  /** What follows the name. */
  readonly cells: readonly Cell[]
  readonly below: readonly Node[]
}

function draw({ name, cells, below }: Node, branch: string, indent: string): Cell[][] {
  const last = below.length - 1
  return [
    [branch + name, ...cells],
    ...below.flatMap((node, i) =>
      i === last ? draw(node, `${indent}└─ `, `${indent}   `) : draw(node, `${indent}├─ `, `${indent}│  `),
    ),
  ]
}

/** Its subagents hang below its trees. */
function runNode(run: RunWithTrees, all: readonly RunWithTrees[]): Node {
  const children = all.filter(({ parent }) => parent === run.run)
  const { supervisor, session, state, createdAt, trees } = run
  const used = trees.flatMap(({ processes }) => processes)
  return {
    name: `${run.run}  ${session ?? '-'}  (supervisor ${supervisor.pid}@${supervisor.host})`,
    cells: ['', { text: state, style: stateStyle(state) }, age(createdAt), ...usage(used)],
    below: [...trees.map(treeNode), ...children.map((child) => runNode(child, all))],
  }
}

function treeNode({ command, processes, containment, launchedAt }: TreeOfRun): Node {
  const pids = new Set(processes.map(({ pid }) => pid))
  const roots = processes.filter(({ ppid }) => !pids.has(ppid))
  return {
    name: `${command.join(' ')}`,
    cells: ['', processes.length === 0 ? 'not seen here' : containment, age(launchedAt), ...usage(processes)],
    below: roots.map((root) => processNode(root, processes)),
  }
}

function processNode(process: TreeProcess, all: readonly TreeProcess[]): Node {
  const { pid, name, state, ageMs } = process
  return {
    name,
    cells: [String(pid), { text: state, style: stateStyle(state) }, duration(ageMs), ...usage([process])],
    below: all.filter(({ ppid }) => ppid === pid).map((child) => processNode(child, all)),
  }
}

/** Of all of them together. Memory is what is resident, so that what several share is counted for each. */
function usage(processes: readonly TreeProcess[]): Cell[] {
  if (processes.length === 0) return ['-', '-']
  const cpuMs = processes.reduce((sum, one) => sum + one.cpuMs, 0)
  const bytes = processes.reduce((sum, one) => sum + one.residentBytes, 0)
  return [`${(cpuMs / 1000).toFixed(1)}s`, formatRoughSize(bytes)]
}

function stateStyle(state: string) {
  if (state === 'running') return 'green' as const
  return state === 'sleeping' ? ('gray' as const) : ('yellow' as const)
}
