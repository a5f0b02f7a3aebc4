#!/usr/bin/env node
// The only file that an older Node reads: it imports nothing before it knows that the rest can run.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 13)) {
  import('./program.js').then(({ main }) => main(process.argv))
} else {
  process.stderr.write(`coppice: needs Node 22.13 or later, and this is ${process.versions.node}\n`)
  process.exitCode = 125
}
