// Makes this machine ready for `npm run test:cgroup`: installs User Mode Linux where it is missing and this may, and
// builds the shim that it needs on newer processors. Says what it did, or what is missing. Works on Node 20.
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'test/beds/cgroup/whole-registers.c')
const shim = join(root, 'native-helpers/build/whole-registers.so')

if (process.platform !== 'linux' || process.arch !== 'x64')
  giveUp('User Mode Linux runs on Linux on x86-64 alone')
if (!works('linux.uml', ['--version'])) installUserModeLinux()
if (!works('cc', ['--version'])) giveUp('a C compiler (cc) is missing: apt-get install gcc libc6-dev')
if (isStale(shim, source)) buildShim()

function installUserModeLinux() {
  const install = ['install', '-y', '--no-install-recommends', 'user-mode-linux']
  if (process.getuid() !== 0 || !works('apt-get', ['--version']))
    giveUp(`User Mode Linux (linux.uml) is missing: as root, apt-get ${install.join(' ')}`)
  say('installing user-mode-linux…')
  // A fresh machine has no package lists, and an old one's may name what is gone.
  if (aptGet(install) || (aptGet(['update']) && aptGet(install))) say('installed user-mode-linux')
  else giveUp('user-mode-linux could not be installed')
}

function buildShim() {
  mkdirSync(dirname(shim), { recursive: true })
  const made = `${shim}.${process.pid}`
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O1', '-shared', '-fPIC']
  const { status } = spawnSync('cc', [...flags, '-o', made, source], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(1)
  renameSync(made, shim)
  say('built whole-registers.so')
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 2, 2], env }).status === 0
}

function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function isStale(target, from) {
  const made = statSync(target, { throwIfNoEntry: false })
  return made === undefined || made.mtimeMs < statSync(from).mtimeMs
}

function say(what) {
  process.stderr.write(`coppice: cgroup bed: ${what}\n`)
}

function giveUp(why) {
  say(why)
  process.exit(1)
}
