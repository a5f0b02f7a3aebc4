import { onDeath, type WakeEvents, WakeSocket } from '#src/supervisor/keeper/wake.js'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'

/** A supervisor's socket, and the runs that it was told of. */
async function listening({ folder }: Scene, supervisor: string) {
  const told: string[] = []
  const events: WakeEvents = {
    onNews: (run) => told.push(run),
    isLive: () => false,
    health: () => ({}) as never,
    doing: async () => null,
  }
  const socket = await WakeSocket.open(folder, supervisor, events)
  return { socket, told, [Symbol.asyncDispose]: () => socket.close() }
}

test('news go to a supervisor by the connection that it has open, and by a new one where it has none', async ({
  scene,
}) => {
  await using holder = await listening(scene, 'holder')
  await using waiter = await listening(scene, 'waiter')
  holder.socket.tellNews(waiter.socket.path, 'first')
  await eventually(() => waiter.told.length === 1)

  const byWatch: string[] = []
  const own = waiter.socket.path
  const unwatch = onDeath(holder.socket.path, { own, onNews: (run) => byWatch.push(run), onEnd: () => {} })
  // It says who it is a moment after it has connected: until then news take the other way.
  await eventually(() => {
    holder.socket.tellNews(own, 'second')
    return byWatch.includes('second')
  })

  unwatch()
  await eventually(() => {
    holder.socket.tellNews(own, 'third')
    return waiter.told.includes('third')
  })
})

test('who dies is told as dead to whoever gets news by its connection', async ({ scene }) => {
  const holder = await listening(scene, 'holder')
  await using waiter = await listening(scene, 'waiter')
  const died = Promise.withResolvers<void>()
  const byWatch: string[] = []
  const own = waiter.socket.path
  onDeath(holder.socket.path, { own, onNews: (run) => byWatch.push(run), onEnd: died.resolve })
  await eventually(() => {
    holder.socket.tellNews(own, 'news')
    return byWatch.length > 0
  })
  await holder.socket.close()
  await died.promise
})
