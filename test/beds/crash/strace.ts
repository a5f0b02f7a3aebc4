import { spawnSync } from 'node:child_process'

/** Null where strace is there and may trace. */
export function whyNoStrace(): string | null {
  if (process.platform !== 'linux') return 'strace is Linux’s'
  const { error, status, stderr } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  })
  if (error) return 'strace is not installed'
  return status === 0 ? null : `strace may not trace here: ${stderr.trim()}`
}
