import { findHelper } from '#src/containment/built.js'
import { openJob } from '#src/containment/job/job.js'
import { exerciseContainment } from '../../containment/exercise-containment.ts'

const helper = (await findHelper()) ?? ''

exerciseContainment('job', () => openJob({ helper }), {
  nothingLeft: { containment: 'job', proof: 'empty', survivors: [] },
  nothingSwept: { containment: 'group', proof: 'unproven', survivors: [] },
  holdsEscapes: true,
  outrunsForks: true,
  tellsRealTimeSignals: false,
  accountsUsage: false,
  hasSignals: false,
})
