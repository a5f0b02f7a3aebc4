import { describe, expect } from 'vitest'
import { bestHere } from '../support/containment.ts'
import { type Scene, test } from '../support/scene.ts'
import { countCalls, countSteps, survive } from './crash/day.ts'
import {
  callsAfter,
  callsBefore,
  guardsAtSignal,
  hostAtSignal,
  type Point,
  sample,
  stepsOf,
} from './crash/points.ts'
import { mutants, recoverySteps } from './crash/step-lines.ts'
import { whyNoStrace } from './crash/strace.ts'

/** Case 33: SIGKILL at each step of the ending and at each write; on the next opening P1 to P3, P5, P8 and P9 hold. */

const whyNot = reasonToSkip()
if (whyNot !== null) console.log(`crash points are skipped: ${whyNot}`)

/** Days at once: half of the time they wait for a grace. */
const atOnce = 6
const bound = 1_200_000
const tally: string[] = []
let points = 0

describe.skipIf(whyNot !== null)('a day that is killed', () => {
  test('before and after its system calls', { timeout: bound }, async ({ scene }) => {
    const { calls } = await countCalls(scene)
    await surviveAll(scene, 'before a flush to disk', callsBefore('fsync', calls), 40)
    await surviveAll(scene, 'after a flush to disk', callsAfter('fsync', calls), 40)
    await surviveAll(scene, 'before a write of the state', callsBefore('pwrite64', calls), 76)
    await surviveAll(scene, 'after a write of the state', callsAfter('pwrite64', calls), 25)
    const rest = [...callsBefore('ftruncate', calls), ...callsBefore('unlink', calls)]
    await surviveAll(scene, 'before a file is cut or removed', rest, 12)
  })

  test('at the signals of its guards', { timeout: bound }, async ({ scene }) => {
    const { calls, signals } = await countCalls(scene)
    expect(signals).toBeGreaterThan(8)
    await surviveAll(scene, 'guards instead of their signal', guardsAtSignal(calls), 4)
    await surviveAll(scene, 'host, or host and launcher, after a signal', hostAtSignal(signals), 26)
  })

  test('at the named steps of its endings', { timeout: bound }, async ({ scene }) => {
    const steps = stepsOf(await countSteps(scene))
    const isCommit = (step: string) => step.includes(' a commit')
    const endings = steps.filter((step) => !isCommit(step)).map(atStep)
    await surviveAll(scene, 'a named step', endings, 56)
    await surviveAll(scene, 'before or after a commit', steps.filter(isCommit).map(atStep), 20)
  })

  test('and whose recovery is killed as well, once and twice', { timeout: bound }, async ({ scene }) => {
    const twice = (day: string) =>
      recoverySteps.flatMap((step) => [
        { label: `${day}, then ${step}`, step: day, recoverySteps: [`${step}@1`] },
        { label: `${day}, then ${step} twice`, step: day, recoverySteps: [`${step}@1`, `${step}@1`] },
        { label: `${day}, then ${step} again`, step: day, recoverySteps: [`${step}@2`] },
      ])
    const all = ['kill@3', 'grace@2', 'told@4'].flatMap(twice)
    await surviveAll(scene, 'a step of the recovery', all, 36)
  })

  test('case 31: and that two recover at once', { timeout: bound }, async ({ scene }) => {
    const steps = stepsOf(await countSteps(scene)).map(atStep)
    const two = steps.map((point) => ({ ...point, label: `${point.label}, two recover`, recoverers: 2 }))
    await surviveAll(scene, 'two recover at once', two, 22)
  })

  test('at three hundred points at least', () => {
    console.log([...tally, `crash points: ${points}`].join('\n'))
    expect(points).toBeGreaterThanOrEqual(300)
  })
})

describe.skipIf(whyNot !== null)('the bed sees it where', () => {
  const steps = ['terminate@4', 'after the finish@2', 'after the finish@4', 'kill@3'].map(atStep)

  test.for(Object.entries(mutants))(
    '%s',
    { timeout: bound },
    async ([mutant, { breaks, shownAt, grace }], { scene }) => {
      const points =
        shownAt === 'writes' ? await heldAtWrites(scene) : shownAt === undefined ? steps : shownAt.map(atStep)
      const planted = { mutant, patience: 6000, ...(grace === undefined ? {} : { grace }) }
      const survived = await inParallel(points, (point) => survive(scene, point, planted))
      const faults = survived.flatMap(({ faults }) => faults)
      expect(faults).toContainEqual(expect.stringMatching(breaks))
    },
  )
})

/** In the middle of their commits. */
async function heldAtWrites(scene: Scene): Promise<readonly Point[]> {
  const { calls } = await countCalls(scene)
  return sample(callsAfter('pwrite64', calls).slice(60), 12)
}

function atStep(step: string): Point {
  return { label: `at ${step}`, step }
}

async function surviveAll(scene: Scene, name: string, all: readonly Point[], take: number): Promise<void> {
  const taken = sample(all, take)
  expect(taken.length, name).toBeGreaterThan(0)
  const survived = await inParallel(taken, (point) => survive(scene, point))
  const reached = survived.filter((one) => one.reached).length
  points += reached
  tally.push(
    `${name}: ${reached} of ${all.length}${reached < taken.length ? `, ${taken.length - reached} not reached` : ''}`,
  )
  expect(
    survived.flatMap(({ faults }) => faults),
    name,
  ).toEqual([])
}

async function inParallel<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const rest = all.entries()
  const lane = async () => {
    for (const [at, one] of rest) results[at] = await work(one)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return results
}

function reasonToSkip(): string | null {
  return bestHere.containment === 'group' ? 'there is no guard here' : whyNoStrace()
}
