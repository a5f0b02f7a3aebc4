import type { Duration, Run } from 'coppice'
import type { ToolCall, ToolResult } from './model/messages.ts'

interface Tool {
  readonly command: string
  readonly args: readonly string[]
  readonly timeout: Duration
}

const bash = (script: string, timeout: Duration): Tool => ({ command: 'bash', args: ['-c', script], timeout })

/** Real commands, the well-behaved and the others. */
const tools: Readonly<Record<string, Tool>> = {
  list: { command: 'ls', args: ['-l', import.meta.dirname], timeout: '10s' },
  search: { command: 'grep', args: ['-rn', 'run.attempt', import.meta.dirname], timeout: '10s' },
  slow: bash('for step in 1 2 3; do echo "step $step"; sleep 0.5; done', '10s'),
  broken: { command: 'ls', args: ['/no/such/folder'], timeout: '10s' },
  /** Ignores SIGTERM: it is killed when the grace is over. */
  stubborn: bash('trap "" TERM; echo "not listening"; while :; do sleep 1; done', '1s'),
  /** Leaves five processes behind, one of them in a process session of its own. */
  forks: bash('for each in 1 2 3 4; do sleep 300 & done; setsid sleep 300 & echo "left five behind"', '10s'),
}

export const toolNames: readonly string[] = Object.keys(tools)

/** Each call is one process tree, which has ended when the result is there. */
export async function useTool(run: Run, { id, name }: ToolCall): Promise<ToolResult> {
  const tool = tools[name]
  if (tool === undefined) return { id, ok: false, text: `there is no tool ${name}` }
  const { command, args, timeout } = tool
  const options = { timeout, callId: id, output: { limit: 4_000 } }
  const { ok, ended, stdout, stderr } = await run.exec(command, args, options)
  return { id, ok, text: ok ? stdout : `${ended}: ${stderr}${stdout}` }
}
