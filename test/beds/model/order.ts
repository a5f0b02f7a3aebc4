import type { TranscriptItem } from 'coppice'

/** Each run's items stand together, its ending last, with greater fences than the run before it. */
export function* order(session: string, items: readonly TranscriptItem[]): Generator<string> {
  const over = new Set<string>()
  let current: string | null = null
  let ended = true
  let fence = 0
  let greatest = 0
  for (const item of items) {
    if (item.run !== current) {
      if (!ended) yield `P6: ${session}: ${item.run} writes before ${current} has ended`
      if (over.has(item.run)) yield `P6: ${session}: ${item.run} writes after its ending`
      current = item.run
      ended = false
      fence = greatest
    } else if (ended) yield `P6: ${session}: ${item.run} writes after its ending`
    if (item.fence <= fence) yield `P1: ${session}: ${item.run} has fence ${item.fence} after ${fence}`
    greatest = Math.max(greatest, item.fence)
    if (item.kind === 'ending') {
      over.add(item.run)
      ended = true
    }
  }
}
