/**
 * Who survives: each hostile program, ended in each way, with each containment that works here.
 *
 *   node test/containment/zoo-table.ts [--json] [CONTAINMENT...]
 *
 * Takes some minutes. A number is how many of the program's processes were alive after its run had ended; `.` is none.
 */
import { openContainment } from '#src/containment/open.js'
import { endings, type Table, tableOf } from './zoo.ts'

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const kinds = asked.length > 0 ? asked : await kindsHere()
const results: Record<string, Table> = {}
const say = (what: string) => process.stdout.isTTY || process.stderr.write(`${what}\n`)
for (const kind of kinds) results[kind] = await tableOf(kind, say)

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
