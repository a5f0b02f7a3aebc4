import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mutants, steps } from './beds/crash/step-lines.ts'

/** A program whose line is not found fails as it loads, which for a planted fault looks like the fault that was seen. */
test('each named step and each planted fault of the bed of crash points is once in the compiled code', () => {
  const marks = Object.values(steps).map(({ file, before }) => ({ file, find: before }))
  const planted = Object.values(mutants).flatMap(({ edits }) => edits)
  const counts = [...marks, ...planted].map(({ file, find }) => {
    const source = readFileSync(new URL(`../dist/${file}`, import.meta.url), 'utf8')
    return { find, times: source.split(find).length - 1 }
  })
  expect(counts.filter(({ times }) => times !== 1)).toEqual([])
})
