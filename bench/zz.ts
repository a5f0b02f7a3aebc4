import { openSupervisor } from 'coppice'
import { program } from './empty/zoo.ts'
import { badNeighbours, Neighbourhood } from './isolation/neighbours.ts'
import { goodRound } from './isolation/sessions.ts'

const s = await openSupervisor({ state: '/tmp/ret-test/c.db', runtimeDir: '/tmp/ret-test' })
const load = { sessions: 1000, perSecond: 250, ms: 5000 }
const all = badNeighbours(program('fork-storm'))
await goodRound(s, load)
for (let k = 0; k < 2; k++) {
  console.log('quiet', await goodRound(s, load))
  for (const one of all) {
    const b = new Neighbourhood(s, [one])
    const r = await goodRound(s, load)
    await b.stop()
    console.log(one.name, r, b.turns)
  }
}
await s.close()
