import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from 'coppice/exec'
import { docker } from './engine.ts'
import { gateway, suites } from './places.ts'

const checkout = fileURLToPath(new URL('../../../', import.meta.url))
const archive = join(checkout, 'node_modules/.coppice-docker-bed/bookworm.tar')
/** Stands for node:24-bookworm-slim, which cannot be pulled here. */
const node = 'coppice-bed/node'

/**
 * Builds examples/docker as it stands, but on an image made here and with stand-ins for what comes from elsewhere: `apt-get`
 * finds everything there, and `npm ci` brings the packed project, installed out here. Then an image with tools for the suites.
 */
export async function buildImages(say: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coppice-images-'))
  try {
    await buildNode(folder, say)
    say(`building examples/docker, with the packed project in it, as ${gateway}`)
    const example = join(folder, 'example')
    cpSync(join(checkout, 'examples/docker'), example, { recursive: true })
    writeFileSync(join(example, 'package-lock.json'), '{}')
    await build(example, gateway, ['--build-arg', `NODE_IMAGE=${node}`])
    // Apart from node_modules, in which Node takes no TypeScript; the tests and their tools are mounted into it.
    const lines = [`FROM ${gateway}`, 'USER root']
    lines.push('RUN mv /app/node_modules/coppice /coppice && ln -s /coppice /app/node_modules/coppice')
    // What is not packed: the modules of which its bundles are made. The bundles stay those of the package.
    lines.push('COPY tsconfig.json /coppice/', 'COPY dist /coppice/dist')
    lines.push(
      'RUN cd /coppice && mkdir -p src test node_modules examples',
      'WORKDIR /coppice',
      'USER node',
      '',
    )
    const context = join(folder, 'suites')
    mkdirSync(context)
    cpSync(join(checkout, 'tsconfig.json'), join(context, 'tsconfig.json'))
    cpSync(join(checkout, 'dist'), join(context, 'dist'), { recursive: true })
    rmSync(join(context, 'dist/bundle'), { recursive: true })
    writeFileSync(join(context, 'Dockerfile'), lines.join('\n'))
    await build(context, suites)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The checkout's tests and their tools, where the suites' image looks for them. */
export const tests: readonly string[] = ['src', 'test', 'examples', 'node_modules'].map(
  (name) => `--volume=${join(checkout, name)}:/coppice/${name}:ro`,
)

async function buildNode(folder: string, say: (line: string) => void): Promise<void> {
  say('packing the project and installing it into a folder')
  const installed = join(folder, 'node/installed')
  mkdirSync(installed, { recursive: true })
  const packed = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder])
  const dependencies = { coppice: `file:${join(folder, packed.trim().split('\n').at(-1) ?? '')}` }
  writeFileSync(join(installed, 'package.json'), JSON.stringify({ private: true, dependencies }))
  const quiet = [
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--prefer-offline',
    '--omit=dev',
    '--omit=peer',
  ]
  await run('npm', ['install', '--prefix', installed, '--install-links', ...quiet])
  say('building an image with Node 24 on the root file system that was made here')
  await docker(['import', archive, 'coppice-bed/root'])
  const context = join(folder, 'node')
  cpSync(process.execPath, join(context, 'node'))
  for (const [name, script] of Object.entries(standIns)) {
    writeFileSync(join(context, name), script, { mode: 0o755 })
  }
  writeFileSync(
    join(context, 'Dockerfile'),
    [
      'FROM coppice-bed/root',
      'RUN useradd --create-home --uid 1000 node',
      'ENV PATH=/usr/local/bin:/usr/bin:/bin',
      'COPY node apt-get npm /usr/local/bin/',
      'COPY installed/node_modules /opt/installed/node_modules',
      '',
    ].join('\n'),
  )
  await build(context, node)
}

const standIns = {
  'apt-get': '#!/bin/sh\n# Everything is there already.\nexit 0\n',
  npm: '#!/bin/sh\n# What it would install was installed outside.\n[ "$1" = ci ] && exec cp -a /opt/installed/node_modules .\n',
}

async function build(context: string, tag: string, args: readonly string[] = []): Promise<void> {
  const env = { DOCKER_BUILDKIT: '0' }
  await docker(['build', '--quiet', '--network=none', ...args, '--tag', tag, context], { timeout: '5m', env })
}

async function run(command: string, args: readonly string[]): Promise<string> {
  return (await exec(command, args, { cwd: checkout, timeout: '5m' })).orThrow().stdout
}
