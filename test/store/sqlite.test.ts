import { join } from 'node:path'
import { openStore } from '#src/store/open.js'
import { exerciseStore } from './exercise-store.ts'

exerciseStore('sqlite', (folder) => openStore(join(folder, 'coppice.db')))
