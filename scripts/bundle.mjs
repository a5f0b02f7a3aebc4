// Bundles what tsc compiled: the command and the two faces of the library, and every program that they start in a thread
// or a process of its own, as files beside each other in dist/bundle. To load a hundred small modules and as many of the
// libraries they use is most of what a start of a supervisor costs: measured, 190 ms of processor without this and 90 ms
// with it. What only some commands need stays a file of its own, loaded when it is asked for.
//
// The libraries go into the bundle, each with its licence, but for those that have to be loaded as files of their own. They are
// listed in `dependencies` all the same, where whoever audits a package looks for what it consists of. Works on Node 20.19, as prepare-checkout.mjs does.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiled = join(root, 'dist')
const output = join(compiled, 'bundle')
const { peerDependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** pino starts its transports' threads from files of its own; a tracing API has to be the host's. */
const external = ['pino', ...Object.keys(peerDependencies)]

/** The faces share their modules; a program shares none with who starts it, and is a bundle by itself. */
const bundles = [{ coppice: 'cli/main.js', index: 'index.js', exec: 'exec.js' }]
const programs = new Set(Object.values(bundles[0]))

/** A file that is found by where a module lies lies elsewhere from the bundle's point of view. */
const relocated = {
  name: 'relocated',
  transform(code, module) {
    if (!module.startsWith(compiled)) return null
    const put = code.replaceAll(
      /new URL\((['`])(\.[^'`$]*)([^'`]*)\1, import\.meta\.url\)/g,
      (_, quote, path, rest) => {
        const target = join(dirname(module), path)
        return `new URL(${quote}${fromBundle(isProgram(target) ? bundled(target) : target)}${rest}${quote}, import.meta.url)`
      },
    )
    for (const use of put.matchAll(/import\.meta\.url\)?/g))
      if (!/(?:new URL\(.*|createRequire\()$/.test(put.slice(0, use.index).split('\n').at(-1)))
        throw new Error(`${module}: where this finds its file, the bundle would not: ${use[0]}`)
    return put === code ? null : { code: put, map: null }
  },
}

function isProgram(target) {
  return target.startsWith(compiled) && target.endsWith('.js')
}

/** Where the program is in the bundle; one that is met for the first time is bundled next. */
function bundled(target) {
  const file = relative(compiled, target)
  const name = file.slice(0, -'.js'.length).replaceAll(/[\\/]/g, '-')
  if (!programs.has(file)) bundles.push({ [name]: file })
  programs.add(file)
  return join(output, `${name}.js`)
}

function fromBundle(target) {
  const path = relative(output, target).replaceAll('\\', '/')
  return `${path.startsWith('.') ? path : `./${path}`}${target.endsWith('/') ? '/' : ''}`
}

rmSync(output, { recursive: true, force: true })
const libraries = new Set()
// It grows with what each of them starts.
for (const input of bundles) for (const library of await bundle(input)) libraries.add(library)
writeFileSync(join(output, 'LICENSES'), [...libraries].sort().map(licence).join('\n'))

/** Answers the folders of the libraries that went into it. */
async function bundle(input) {
  const build = await rolldown({
    cwd: compiled,
    input,
    platform: 'node',
    external: (id) => external.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [relocated],
    onLog(level, log, say) {
      // Nothing here is a matter of taste: a warning is something that would be missing at run time.
      if (level === 'warn') throw new Error(log.message)
      say(level, log)
    },
  })
  const { output: chunks } = await build.write({ dir: output, chunkFileNames: chunkName(input) })
  await build.close()
  return chunks.flatMap(({ modules = {} }) => Object.keys(modules).flatMap(libraryOf))
}

/** Those of one program must not overwrite another's. */
function chunkName(input) {
  return 'index' in input ? '[name].js' : `${Object.keys(input)[0]}-[name].js`
}

function libraryOf(module) {
  const [, folder] = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)/.exec(module) ?? []
  return folder === undefined ? [] : [folder]
}

function licence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  if (file === undefined) throw new Error(`${name} has no licence to be given on`)
  const text = readFileSync(join(folder, file), 'utf8').trim()
  return `${name} ${version} (${license})\n\n${text}\n\n${'-'.repeat(80)}\n`
}
