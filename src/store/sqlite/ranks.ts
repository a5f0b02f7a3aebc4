import type { Admission, Priority } from '../admission-contract.js'

/** In the order in which they are admitted, and before them whoever interrupts the holder. */
export const ranks: Record<Priority, number> = { interactive: 0, background: 1 }

export function rankOf({ interrupts, priority }: Admission): number {
  return interrupts ? -1 : ranks[priority]
}
