import type { Survivor } from '../../proof.js'
import type { TreeReport } from '../contract.js'

/** A program can leave its group and all its marks: that nobody is seen proves nothing. */
export function groupReport(killed: number, lingered: number, living: readonly Survivor[]): TreeReport {
  return {
    containment: 'group',
    proof: living.length === 0 ? 'unproven' : 'survivors',
    killed,
    lingered,
    survivors: living.map(({ pid, startTime, name }) => ({ pid, startTime, name })),
    usage: null,
  }
}
