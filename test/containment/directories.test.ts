import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runtimeDirectory, stateDirectory } from '#src/containment/processes/directories.js'

describe.skipIf(process.platform !== 'linux')('directories', () => {
  test('state is where XDG says, else below the home', () => {
    expect(stateDirectory({ XDG_STATE_HOME: '/some/state', HOME: '/home/someone' })).toBe(
      '/some/state/coppice',
    )
    expect(stateDirectory({ HOME: '/home/someone' })).toBe('/home/someone/.local/state/coppice')
    expect(stateDirectory({ XDG_STATE_HOME: 'relative', HOME: '/h' })).toBe('/h/.local/state/coppice')
  })

  test('the runtime folder is where XDG says, if that exists, else one of this user', () => {
    expect(runtimeDirectory({ XDG_RUNTIME_DIR: tmpdir() })).toBe(join(tmpdir(), 'coppice'))
    const own = join(tmpdir(), `coppice-${process.getuid?.()}`)
    expect(runtimeDirectory({ XDG_RUNTIME_DIR: '/no/such/folder' })).toBe(own)
    expect(runtimeDirectory({})).toBe(own)
  })
})
