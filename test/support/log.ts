import { pino } from 'pino'

export interface Written {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

/** A logger of pino's, and what was written by it. */
export function collectingLog(level = 'debug') {
  const lines: Written[] = []
  const logger = pino({ level, base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { logger, lines, of: (run: string) => lines.filter((line) => line.run === run) }
}
