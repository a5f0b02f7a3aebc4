import { openContainment } from '#src/containment/open.js'

/** What a tree's report says on this machine where nothing is left: the best containment that works decides. */
const opened = await openContainment(null, () => {})
await opened.close()

/** Every containment that works on this machine, the best first. */
const all = ['cgroup', 'guard', 'job', 'group'] as const
export const kindsHere =
  opened.kind === 'job'
    ? (['job', 'group'] as const)
    : all.slice(all.indexOf(opened.kind)).filter((kind) => kind !== 'job')

export const bestHere =
  opened.kind === 'group'
    ? ({ containment: 'group', proof: 'unproven' } as const)
    : ({ containment: opened.kind, proof: 'empty' } as const)
