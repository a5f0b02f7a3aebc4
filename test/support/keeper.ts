import { hostname } from 'node:os'
import { openGroup } from '#src/containment/group/group.js'
import { self } from '#src/containment/processes/processes.js'
import { openStore } from '#src/store/open.js'
import { defaultLoopTimeout } from '#src/supervisor/host/loop-timeout.js'
import { join } from '#src/supervisor/keeper/joining.js'
import { Keeper, type KeeperParts } from '#src/supervisor/keeper/keeper.js'
import { openLog } from '#src/supervisor/keeper/log.js'
import { News } from '#src/supervisor/keeper/news.js'
import type { ToHost } from '#src/supervisor/messages.js'
import type { Scene } from './stage.ts'

/** A keeper in this thread, and what it tells its host. `change` puts something else in the place of its parts. */
export async function openKeeper(
  { folder, state }: Scene,
  change: (parts: KeeperParts) => Partial<KeeperParts> = () => ({}),
): Promise<{ keeper: Keeper; told: ToHost[] }> {
  const told: ToHost[] = []
  const [store, containment, identity, { log, close: closeLog }] = await Promise.all([
    openStore(state),
    openGroup(),
    self(),
    openLog('silent'),
  ])
  const send = (message: ToHost) => told.push(message)
  const news = new News(log, false, send)
  news.listened(['leftBehind', 'transition'])
  const parts: KeeperParts = {
    id: 'one',
    host: hostname(),
    identity,
    containment,
    store,
    log,
    news,
    closeLog,
    send,
    loopTimeout: defaultLoopTimeout,
  }
  const keeper = new Keeper({ ...parts, ...change(parts) })
  await join(keeper, 600_000, folder)
  return { keeper, told }
}

/** The same object, but for these methods. */
export function withMethods<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get(target, name) {
      const value: unknown = Reflect.get(name in methods ? methods : target, name)
      return typeof value === 'function' ? value.bind(name in methods ? methods : target) : value
    },
  })
}
