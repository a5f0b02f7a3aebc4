import { openGroup } from '#src/containment/group/group.js'
import { openPosixTable } from '#src/containment/processes/posix.js'
import { exerciseContainment } from './exercise-containment.ts'

// As on macOS, where there is no /proc.
process.env.TEST_PROCESSES_BY = 'ps'

exerciseContainment('group, by ps', async () => openGroup({ processes: await openPosixTable() }), {
  nothingLeft: { containment: 'group', proof: 'unproven', survivors: [] },
  nothingSwept: { containment: 'group', proof: 'unproven', survivors: [] },
  holdsEscapes: false,
  // Between the ps that finds it and its signal lie milliseconds.
  outrunsForks: false,
  tellsRealTimeSignals: false,
  accountsUsage: false,
  hasSignals: true,
})
