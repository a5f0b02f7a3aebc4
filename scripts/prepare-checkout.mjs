// Makes a checkout ready to run: installs from the lock file and compiles, each only where it is missing or
// stale. It runs before `npm start` and `npm test`, on whatever Node the system has (20.19 is enough), with no
// dependency, because on a fresh clone there is none yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

step('install', 'node_modules/.coppice-installed', digest(['package-lock.json']), () => {
  // npm's own progress would mix with the output of the command that the user asked for.
  // Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms, which npm leaves out
  // where its registry does not have them. With --no-save the versions are the lock file's and it stays as it is.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'])
})

step(
  'build',
  'dist/.coppice-built',
  digest(['package-lock.json', 'package.json', 'tsconfig.json', 'scripts/bundle.mjs', ...filesBelow('src')]),
  () => {
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    run(process.execPath, ['node_modules/typescript/bin/tsc'])
    run(process.execPath, ['scripts/bundle.mjs'])
  },
)

// The helper says the package's version.
const helperInputs = digest(['package.json', ...filesBelow('native-helpers')])
step('native helper', 'native-helpers/build/.coppice-built', helperInputs, () => {
  run(process.execPath, ['native-helpers/build.mjs'])
})

/** Does `work` unless the stamp says that it was done for exactly these inputs. */
function step(name, stamp, inputs, work) {
  const path = join(root, stamp)
  if (existsSync(path) && readFileSync(path, 'utf8') === inputs) return
  process.stderr.write(`coppice: ${name}…\n`)
  work()
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, inputs)
}

function run(command, args) {
  // npm's output goes to stderr as well: stdout belongs to the command that follows.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

function digest(files) {
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((name) => !name.startsWith('native-helpers/build/') && statSync(join(root, name)).isFile())
    .sort()
}
