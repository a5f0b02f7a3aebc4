/** How far a family of runs may grow: an agent that starts agents that start agents has no end of its own. */
export interface SubagentLimits {
  /** How many ancestors a run may have at most; 0 is none, so that nothing starts a subagent. */
  readonly depth: number
  /** How many subagents of one run may be alive at once, waiting ones too. */
  readonly atOnce: number
}

export const defaultSubagents: SubagentLimits = { depth: 8, atOnce: 64 }

/** Which of the limits kept a subagent from being admitted. */
export interface SubagentLimit {
  readonly name: keyof SubagentLimits
  readonly most: number
  /** How many there are without the one that was refused. */
  readonly count: number
}

export function describeSubagentLimit(parent: string, { name, most, count }: SubagentLimit): string {
  return name === 'depth'
    ? `its parent, run ${parent}, is at depth ${count}, and subagents go no deeper than ${most}`
    : `its parent, run ${parent}, has ${count} subagents, and no more than ${most} may be at once`
}

/** Why a subagent is to end. */
export function describeParentsEnd(parent: string): string {
  return `its parent, run ${parent}, ended`
}
