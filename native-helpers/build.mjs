// Builds the native helper of this platform with the system's C compiler, where it is missing or stale.
//
//   node native-helpers/build.mjs [--sanitized | --for-wine]
//
// --for-wine builds Windows' helper and the C programs of its tests on Linux: it asks by Ctrl-C, the one event that Wine has.
// Where there is no compiler it says so and succeeds: coppice then contains trees by `group`. Works on Node 20, with no
// dependency, since it runs while the package is being installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const output = join(here, 'build')

const { version } = JSON.parse(readFileSync(join(here, '../package.json'), 'utf8'))

const common = [`-DCOPPICE_VERSION="${version}"`, '-std=c11', '-Wall', '-Wextra', '-Werror', '-pedantic']
const language = [...common, '-D_GNU_SOURCE']
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

const onWindows = [
  ...common,
  // Windows 10, whose processes can be born in a job.
  '-D_WIN32_WINNT=0x0A00',
  '-D__USE_MINGW_ANSI_STDIO=1',
  // Theirs before the other's, where both have one of a name.
  `-I${join(here, 'windows')}`,
  `-I${join(here, 'linux')}`,
  '-Os',
  '-ffunction-sections',
  '-Wl,--gc-sections',
  '-static',
  '-s',
  '-municode',
]
// No window of its own: it is no program of the console.
const windowless = [...onWindows, '-Wl,--subsystem,windows']
const mingw = ['x86_64-w64-mingw32-gcc', 'gcc']

const linuxSources = () => sourcesIn('linux')
// What reads the protocol is the same on both.
const windowsSources = () => [
  ...sourcesIn('windows'),
  join(here, 'linux/frame.c'),
  join(here, 'linux/request.c'),
]

if (process.argv.includes('--for-wine')) {
  const asked = [...windowless, '-DCOPPICE_STOP_EVENT=CTRL_C_EVENT']
  build('wine/coppice-job.exe', asked, mingw, windowsSources(), ['-lntdll'])
  const tests = join(here, '../test/fixtures/windows')
  const withoutMain = windowsSources().filter((path) => !path.endsWith('main.c'))
  build(
    'wine/helper-tests.exe',
    onWindows,
    mingw,
    [join(tests, 'helper-tests.c'), ...withoutMain],
    ['-lntdll', '-lshell32'],
  )
  build('wine/sh.exe', onWindows, mingw, [join(tests, 'sh.c'), join(here, 'windows/text.c')], [])
  build('wine/grandchildren.exe', onWindows, mingw, [join(tests, 'grandchildren.c')], [])
} else if (process.platform === 'win32') {
  build('coppice-job.exe', windowless, mingw, windowsSources(), ['-lntdll'])
} else if (process.platform === 'linux') {
  if (process.argv.includes('--sanitized'))
    build('coppice-launcher-sanitized', [...language, ...sanitized], ['cc'], linuxSources(), [])
  // musl's static programs are a tenth of glibc's, and so is what each guard takes.
  else build('coppice-launcher', [...language, ...small], ['musl-gcc', 'cc'], linuxSources(), [])
}

function sourcesIn(folder) {
  return readdirSync(join(here, folder))
    .sort()
    .filter((file) => file.endsWith('.c'))
    .map((file) => join(here, folder, file))
}

/** The headers count as well: whatever lies beside the sources. */
function inputsOf(sources) {
  return [...new Set(sources.map(dirname))].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => /\.[ch]$/.test(file))
      .sort()
      .map((file) => join(folder, file)),
  )
}

function build(name, flags, compilers, sources, libraries) {
  const compiler = compilers.find((command) => spawnSync(command, ['--version']).status === 0)
  const target = join(output, name)
  if (compiler === undefined) {
    if (!existsSync(target))
      process.stderr.write(
        'coppice: there is no C compiler: the native helper is not built, and trees can escape\n',
      )
    return
  }
  const digest = createHash('sha256').update([compiler, ...flags, ...libraries].join(' '))
  for (const file of inputsOf(sources)) digest.update(basename(file)).update('\0').update(readFileSync(file))
  const stamp = `${target}.stamp`
  const inputs = digest.digest('hex')
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return
  process.stderr.write(`coppice: build ${name} with ${compiler}…\n`)
  mkdirSync(dirname(target), { recursive: true })
  // A launcher that runs keeps its file: the new one is moved into its place.
  const made = `${target}.${process.pid}`
  const { status, stderr } = spawnSync(compiler, [...flags, ...sources, '-o', made, ...libraries], {
    encoding: 'utf8',
  })
  if (status !== 0) {
    process.stderr.write(stderr ?? '')
    process.exit(1)
  }
  renameSync(made, target)
  writeFileSync(stamp, inputs)
}
