#!/usr/bin/env node
// The only file that an older Node reads: it imports nothing of its own before it knows that the rest can run.
import { readFileSync, writeSync } from 'node:fs'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 13)) {
  const version = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
  if (!printed(version)) import('./program.js').then(({ main }) => main(process.argv, version))
} else {
  process.stderr.write(`coppice: needs Node 22.13 or later, and this is ${process.versions.node}\n`)
  process.exitCode = 125
}

/**
 * Whether the version alone was asked for, and is written. Scripts ask for it again and again: the parser of options, and
 * a stream for stdout, would take longer than Node itself needs to start.
 */
function printed(version: string): boolean {
  if (process.argv.length !== 3 || process.argv[2] !== '--version') return false
  try {
    writeSync(1, `${version}\n`)
    return true
  } catch {
    // A full disk, a pipe that is full or that nobody reads: the stream knows what to do and to say.
    return false
  }
}
