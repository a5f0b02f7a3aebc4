import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { test } from './support/scene.ts'

const root = new URL('..', import.meta.url)
const examples = [...readFileSync(new URL('README.md', root), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(
  ([, code]) => code ?? '',
)

test('the library example of the README runs as it stands', async ({ scene }) => {
  expect(examples).toHaveLength(2)
  const [example = ''] = examples
  const index = pathToFileURL(fileURLToPath(new URL('dist/bundle/index.js', root))).href
  // The example asks for `node`: let it be the one that runs this.
  const path = `${dirname(process.execPath)}:${process.env.PATH}`
  const file = join(scene.folder, 'example.mjs')
  writeFileSync(file, example.replace("'coppice'", `'${index}'`))
  const { stdout, stderr, code } = await scene.node([file], { cwd: scene.folder, env: { PATH: path } }).exited
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  expect(stdout.split('\n')).toEqual([
    process.version,
    "{ role: 'user', text: 'which Node is this?' }",
    `{ role: 'assistant', text: '${process.version}' }`,
    'succeeded',
    '',
  ])
})
