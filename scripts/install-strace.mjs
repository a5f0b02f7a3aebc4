// What the crash points need beside Node: strace. Installs it by apt where it is missing and this is root, and says so;
// elsewhere says what is missing, and the bed skips.
import { spawnSync } from 'node:child_process'

const say = (what) => process.stderr.write(`coppice: ${what}\n`)
const isThere = () => spawnSync('strace', ['--version']).error === undefined

if (process.platform === 'linux' && !isThere()) {
  if (process.getuid() !== 0) say('strace is not installed, and installing it takes root')
  else {
    say('installing strace by apt…')
    const apt = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 2, 2] })
    apt('update', '-qq')
    apt('install', '-y', '-qq', '--no-install-recommends', 'strace')
    say(isThere() ? 'installed strace' : 'strace could not be installed')
  }
}
