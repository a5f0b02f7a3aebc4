import type { Survivor } from '../../proof.js'
import type { TreeReport } from '../contract.js'

/** A program can leave its group and all its marks: that nobody is seen proves nothing. */
export function groupReport(
  killed: number,
  lingered: readonly Survivor[],
  living: readonly Survivor[],
): TreeReport {
  return {
    containment: 'group',
    proof: living.length === 0 ? 'unproven' : 'survivors',
    killed,
    lingered: lingered.map(named),
    survivors: living.map(named),
    exceeded: null,
    usage: null,
  }
}

function named({ pid, startTime, name }: Survivor): Survivor {
  return { pid, startTime, name }
}
