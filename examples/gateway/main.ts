import { parseArgs } from 'node:util'
import { openSupervisor } from 'coppice'
import { Events } from './events.ts'
import { listen, stop } from './listening.ts'
import { takePending, tellEnding } from './messages.ts'
import { startFakeModel } from './model/server.ts'
import { gatewayServer } from './server.ts'
import { makeTraffic } from './traffic.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8420' },
    state: { type: 'string', default: 'gateway.db' },
    seed: { type: 'string', default: '1' },
    'no-traffic': { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed)
const events = new Events()
const model = await startFakeModel(seed)
const supervisor = await openSupervisor({
  state: values.state,
  logLevel: 'warn',
  onEnding: (ending) => tellEnding(ending, around()),
})
const around = () => ({ supervisor, events, modelUrl: model.url })
const server = gatewayServer(around())
const gateway = await listen(server, Number(values.port))
const closing = new AbortController()
events.tell('open', { gateway, model: model.url, pid: process.pid, state: values.state })

await takePending(around())
const traffic = values['no-traffic'] ? null : makeTraffic(gateway, seed, closing.signal)

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void close(signal))

/** Within the 10 s that docker gives: every run has ended with its trees, and its ending is stored. A second signal skips the grace. */
async function close(signal: string): Promise<void> {
  if (closing.signal.aborted) return supervisor.close({ within: 0 })
  const begun = performance.now()
  events.tell('closing', { signal })
  closing.abort()
  await traffic
  await supervisor.close({ within: '8s' })
  await Promise.all([stop(server), model.close()])
  events.tell('closed', { ms: Math.round(performance.now() - begun) })
}
