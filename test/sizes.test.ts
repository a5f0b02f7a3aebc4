import { describe, expect, test } from 'vitest'
import { formatRoughSize, formatSize, parseSize } from '#src/sizes.js'

const MB = 1024 * 1024

describe('sizes', () => {
  test.each([
    ['512MB', 512 * MB],
    ['512M', 512 * MB],
    ['512mib', 512 * MB],
    ['1.5 GB', 1536 * MB],
    ['64k', 65_536],
    ['100B', 100],
    ['100', 100],
    [4096, 4096],
    ['Infinity', Number.POSITIVE_INFINITY],
  ])('%s is %d bytes', (written, bytes) => {
    expect(parseSize('memory', written)).toBe(bytes)
  })

  test.each(['', 'much', '12XB', '-1MB', 'MB', '1e3', Number.NaN, -1, null])('%s is none', (written) => {
    expect(() => parseSize('memory', written as string)).toThrowError(
      expect.objectContaining({
        code: 'invalid_option',
        message: expect.stringMatching(/^memory: .* is no size \(write /),
      }),
    )
  })

  test('are told as a person would write them', () => {
    expect([0, 100, 64 * 1024, 512 * MB, 1536 * MB, 1024 ** 4].map(formatSize)).toEqual([
      '0 bytes',
      '100 bytes',
      '64KB',
      '512MB',
      '1536MB',
      '1TB',
    ])
  })

  test('that were measured are told roughly', () => {
    expect([0, 100, 700 * 1024, 1.4 * MB, 1023.6 * MB, -3 * MB].map(formatRoughSize)).toEqual([
      '0KB',
      '0KB',
      '700KB',
      '1MB',
      '1024MB',
      '-3MB',
    ])
  })
})
