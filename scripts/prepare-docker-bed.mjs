// Makes this machine ready for `npm run test:docker`: installs an engine, an init and debootstrap where they are missing and
// this may, and makes the root file system that the bed's image begins with, where there is none yet. Says what it did, or
// what is missing. Works on Node 20.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** With node_modules, which a fresh checkout has not: no other user can have written it. */
const archive = join(root, 'node_modules/.coppice-docker-bed/bookworm.tar')
const commands = { dockerd: 'docker.io', docker: 'docker.io', tini: 'tini', debootstrap: 'debootstrap' }
/** What programs of a user's find in node:24-bookworm-slim, and tini, which the Dockerfile installs. */
const include = 'tini,procps'

if (process.platform !== 'linux' || process.arch !== 'x64') giveUp('it runs on Linux on x86-64 alone')
if (process.getuid() !== 0) giveUp('dockerd and debootstrap take root')
install(
  new Set(
    Object.keys(commands)
      .filter((name) => !works(name, ['--version']))
      .map((name) => commands[name]),
  ),
)
if (!existsSync(archive)) makeRootFileSystem()

function install(packages) {
  if (packages.size === 0) return
  const names = [...packages].join(' ')
  if (!works('apt-get', ['--version'])) giveUp(`missing, and there is no apt-get to install them: ${names}`)
  say(`installing ${names}…`)
  const get = ['install', '-y', '--no-install-recommends', ...packages]
  // A fresh machine has no package lists, and an old one's may name what is gone.
  if (aptGet(get) || (aptGet(['update']) && aptGet(get))) say(`installed ${names}`)
  else giveUp(`could not be installed: ${names}`)
}

function makeRootFileSystem() {
  say('making a root file system (debootstrap)…')
  const folder = mkdtempSync(join(tmpdir(), 'coppice-debootstrap-'))
  try {
    const made = join(folder, 'root')
    run('debootstrap', ['--variant=minbase', `--include=${include}`, 'bookworm', made])
    mkdirSync(dirname(archive), { recursive: true })
    const draft = `${archive}.${process.pid}`
    const without = [
      './var/cache/apt/*',
      './var/lib/apt/lists/*',
      './usr/share/doc/*',
      './usr/share/locale/*',
    ]
    run('tar', [
      '-C',
      made,
      '--numeric-owner',
      ...without.map((path) => `--exclude=${path}`),
      '-cf',
      draft,
      '.',
    ])
    renameSync(draft, archive)
    say('made it')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(command, args) {
  if (spawnSync(command, args, { stdio: ['ignore', 'ignore', 2] }).status !== 0) giveUp(`${command} failed`)
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 2, 2], env }).status === 0
}

function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).error === undefined
}

function say(what) {
  process.stderr.write(`coppice: docker bed: ${what}\n`)
}

function giveUp(why) {
  say(why)
  process.exit(1)
}
