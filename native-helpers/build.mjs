// Builds the native helper of this platform with the system's C compiler, where it is missing or stale.
//
//   node native-helpers/build.mjs [--sanitized]
//
// Where there is no compiler it says so and succeeds: coppice then contains trees by `group`. Works on Node 20, with no
// dependency, since it runs while the package is being installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const output = join(here, 'build')

const language = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-pedantic']
const sections = [
  '-ffunction-sections',
  '-fdata-sections',
  '-Wl,--gc-sections',
  '-fno-asynchronous-unwind-tables',
]
const small = ['-Os', ...sections, '-static', '-s']
const sanitized = [
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
]

if (process.platform === 'linux') {
  if (process.argv.includes('--sanitized')) build('coppice-launcher-sanitized', sanitized, ['cc'])
  // musl's static programs are a tenth of glibc's, and so is what each guard takes.
  else build('coppice-launcher', small, ['musl-gcc', 'cc'])
}

function build(name, flags, compilers) {
  const folder = join(here, 'linux')
  const files = readdirSync(folder).sort()
  const sources = files.filter((file) => file.endsWith('.c')).map((file) => join(folder, file))
  const compiler = compilers.find((command) => spawnSync(command, ['--version']).status === 0)
  const target = join(output, name)
  if (compiler === undefined) {
    if (!existsSync(target))
      process.stderr.write(
        'coppice: there is no C compiler: the native helper is not built, and trees can escape\n',
      )
    return
  }
  const digest = createHash('sha256').update([compiler, ...language, ...flags].join(' '))
  for (const file of files)
    digest
      .update(file)
      .update('\0')
      .update(readFileSync(join(folder, file)))
  const stamp = `${target}.stamp`
  const inputs = digest.digest('hex')
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return
  process.stderr.write(`coppice: build ${name} with ${compiler}…\n`)
  mkdirSync(output, { recursive: true })
  // A launcher that runs keeps its file: the new one is moved into its place.
  const made = `${target}.${process.pid}`
  const { status, stderr } = spawnSync(compiler, [...language, ...flags, ...sources, '-o', made], {
    encoding: 'utf8',
  })
  if (status !== 0) {
    process.stderr.write(stderr ?? '')
    process.exit(1)
  }
  renameSync(made, target)
  writeFileSync(stamp, inputs)
}
