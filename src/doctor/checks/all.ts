import type { Check } from '../check.js'
import { breakers } from './breakers.js'
import { cgroups } from './cgroups.js'
import { containment } from './containment.js'
import { database } from './database.js'
import { endings } from './endings.js'
import { init } from './init.js'
import { kernel } from './kernel.js'
import { lockFiles } from './lock-files.js'
import { locks } from './locks.js'
import { helper } from './native-helper.js'
import { permissions } from './permissions.js'
import { processes } from './processes.js'
import { requests } from './requests.js'
import { runtime } from './runtime.js'
import { space } from './space.js'
import { supervisors } from './supervisors.js'
import { survivors } from './survivors.js'
import { trees } from './trees.js'
import { writer } from './writer.js'

/** In the order in which they are told in `--json`, and mended: runs before what is left of them. */
export const checks: readonly Check[] = [
  database,
  writer,
  space,
  permissions,
  locks,
  supervisors,
  trees,
  survivors,
  breakers,
  requests,
  endings,
  cgroups,
  runtime,
  containment,
  helper,
  kernel,
  processes,
  init,
]

/** Only where a folder of them is named. */
export const lockFilesCheck: Check = lockFiles
