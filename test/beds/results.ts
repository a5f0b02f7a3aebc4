/** What vitest's JSON says of a suite, as far as it is counted. */
export interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTotalTests: number
  readonly success: boolean
  readonly testResults: readonly unknown[]
  /** Why there are none. */
  readonly lost?: string
}

/** Those of a suite that wrote them; for one that did not, or nothing that can be read, one failure. */
export function resultsOf(name: string, json: string | null, ended: string): Results {
  if (json === null) return lost(`${name} brought no results back: ${ended}`)
  try {
    const read = JSON.parse(json) as Results
    // A file that could not be loaded has no tests, and fails nevertheless.
    if (read.numFailedTests === 0 && !read.success) return { ...sum([read, oneFailure]), success: false }
    return read.numTotalTests > 0 ? read : lost(`${name} ran no test`)
  } catch {
    return lost(`${name} brought back what is no result: ${ended}`)
  }
}

export function sum(all: readonly Results[]): Results {
  const add = (count: (results: Results) => number) => all.reduce((total, one) => total + count(one), 0)
  return {
    numPassedTests: add((one) => one.numPassedTests),
    numFailedTests: add((one) => one.numFailedTests),
    numPendingTests: add((one) => one.numPendingTests),
    numTotalTests: add((one) => one.numTotalTests),
    success: all.every(({ success }) => success),
    testResults: all.flatMap(({ testResults }) => testResults),
  }
}

const oneFailure: Results = {
  numPassedTests: 0,
  numFailedTests: 1,
  numPendingTests: 0,
  numTotalTests: 1,
  success: false,
  testResults: [],
}

function lost(why: string): Results {
  return { ...oneFailure, lost: why }
}
