import { parentPort } from 'node:worker_threads'
import treeKill from 'tree-kill'

/** The thread of tree-kill.ts: a pid comes in, a message goes out when its tree has been signalled. */
parentPort?.on('message', (pid: number) => {
  treeKill(pid, 'SIGKILL', () => parentPort?.postMessage('done'))
})
