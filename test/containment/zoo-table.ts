/**
 * Who survives: each hostile program, ended in each way, with each containment that works here.
 *
 *   node test/containment/zoo-table.ts [--json] [CONTAINMENT...]
 *
 * Takes some minutes. A number is how many of the program's processes were alive after its run had ended; `.` is none.
 */
import { openContainment } from '#src/containment/open.js'
import { openScene } from '../support/stage.ts'
import { attackers, type Ending, endings, ordinary, storms, survivorsOf } from './zoo.ts'

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const kinds = asked.length > 0 ? asked : await kindsHere()
const results: Record<string, Record<string, Partial<Record<Ending, number>>>> = {}

for (const kind of kinds) {
  const table: (typeof results)[string] = {}
  results[kind] = table
  for (const ending of endings) {
    if (kind === 'group' && (ending === 'guard' || ending === 'launcher')) continue
    // The ordinary ones share a gateway; of the others each needs one of its own.
    for (const names of [ordinary, ...[...storms, ...attackers].map((name) => [name])]) {
      // Without a guard in between, the grandparent that it kills is this program.
      if (kind === 'group' && names.includes('kills-its-parents')) continue
      if (!process.stdout.isTTY) process.stderr.write(`${kind} ${ending} ${names.join(' ')}\n`)
      const { scene, close } = openScene()
      const { unannounced = 0, ...found } = await survivorsOf(scene, kind, ending, names)
      await close()
      const [only] = names.length === 1 ? names : []
      for (const [name, survivors] of Object.entries(found)) {
        const row = table[name] ?? {}
        table[name] = row
        row[ending] = survivors + (name === only ? unannounced : 0)
      }
    }
  }
}

if (process.argv.includes('--json')) console.log(JSON.stringify(results, null, 2))
else for (const kind of kinds) print(kind)
process.exit(0)

async function kindsHere(): Promise<string[]> {
  const { kind, close } = await openContainment(null, () => {})
  await close()
  return kind === 'group' ? [kind] : [kind, 'group']
}

function print(kind: string): void {
  const table = results[kind] ?? {}
  const width = Math.max(...Object.keys(table).map((name) => name.length))
  const line = (name: string, cells: readonly string[]) =>
    console.log([name.padEnd(width), ...cells.map((cell) => cell.padStart(11))].join(''))
  console.log(`\nsurvivors with containment ${kind}\n`)
  line('', endings)
  for (const [name, row] of Object.entries(table).sort()) {
    line(
      name,
      endings.map((ending) =>
        row[ending] === undefined ? '-' : row[ending] === 0 ? '.' : String(row[ending]),
      ),
    )
  }
  const escaped = Object.values(table).filter((row) => Object.values(row).some((survivors) => survivors > 0))
  console.log(`\n${escaped.length} of ${Object.keys(table).length} programs escaped in some way`)
}
