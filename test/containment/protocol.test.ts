import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { stages } from '#src/containment/guard/tree.js'
import { fromLauncher, toLauncher } from '#src/containment/protocol/frames.js'
import { launchField } from '#src/containment/protocol/request.js'
import { stopCauses } from '#src/containment/protocol/told-tree.js'

const root = new URL('../../', import.meta.url)
const protocol = read('native-helpers/protocol.md')

type Numbers = Record<string, number>

/** protocol.md, the C headers and the TypeScript each say every number: they say the same. */
describe('protocol.md', () => {
  const types = { ...table('Keeper to launcher'), ...table('Launcher and guards to keeper') }

  test('numbers the frames as C and TypeScript do', () => {
    expect(Object.keys(types).length).toBeGreaterThanOrEqual(15)
    expect(enumIn('frame.h', 'frame_type', 'FRAME_')).toEqual(types)
    expect(shouted({ ...toLauncher, ...fromLauncher })).toEqual(types)
  })

  test('numbers the fields of a launch as C does, and TypeScript those that it uses', () => {
    const fields = table('The fields of a launch')
    expect(enumIn('request.h', 'field', 'FIELD_')).toEqual(fields)
    expect(fields).toMatchObject(shouted(launchField))
  })

  test('numbers stages and causes as C does, and TypeScript has a word for each', () => {
    const stage = table('Stages of a launch that failed')
    expect(enumIn('root.h', 'stage', 'STAGE_')).toEqual(stage)
    expect(Object.keys(stages).map(Number)).toEqual(Object.values(stage))
    const { ASKED, ...causes } = table('Causes of a stop')
    expect(enumIn('launcher.h', 'cause', 'CAUSE_')).toEqual({ ASKED, ...causes })
    expect(Object.keys(stopCauses).map(Number)).toEqual(Object.values(causes))
  })

  test('names the states of a guard', () => {
    const names = [...section('The life of a guard').matchAll(/^\| ([A-Z]+) \|/gm)].map(([, name]) => name)
    const states = /enum state \{([^}]+)\}/.exec(read('native-helpers/linux/guard_state.h'))?.[1] ?? ''
    expect(states.split(',').map((name) => name.trim())).toEqual(names)
  })
})

function read(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

function section(title: string): string {
  return protocol.split(/^#+ /m).find((one) => one.startsWith(`${title}\n`)) ?? ''
}

/** The rows `| number | NAME | ...` below this heading. */
function table(title: string): Numbers {
  const rows = [...section(title).matchAll(/^\| (\d+) \| `([A-Z_]+)` \|/gm)]
  return Object.fromEntries(rows.map(([, number, name]) => [name, Number(number)]))
}

function enumIn(header: string, name: string, prefix: string): Numbers {
  const text = read(`native-helpers/linux/${header}`)
  const body = new RegExp(`enum ${name} \\{([^}]+)\\}`).exec(text)?.[1] ?? ''
  const members = [...body.matchAll(new RegExp(`${prefix}([A-Z_]+) = (\\d+)`, 'g'))]
  return Object.fromEntries(members.map(([, member, number]) => [member, Number(number)]))
}

function shouted(numbers: Numbers): Numbers {
  const shout = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  return Object.fromEntries(Object.entries(numbers).map(([name, number]) => [shout(name), number]))
}
