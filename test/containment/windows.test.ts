import { describe, expect, test } from 'vitest'
import { quoteForBatch, variable } from '#src/containment/job/command-line.js'
import { systemErrorCode } from '#src/containment/job/errors.js'
import { parseLine } from '#src/containment/processes/windows.js'

/** What of Windows' containment needs no Windows; the rest is in beds/windows. */
describe('Windows', () => {
  test.each([
    ['plain', 'plain'],
    ['--flag=C:\\a\\b', '"--flag=C:\\a\\b"'],
    ['', '""'],
    ['a b', '"a b"'],
    ['ends\\', '"ends\\\\"'],
    ['"&calc', '"""&calc"'],
    ['a\\"b', '"a\\\\""b"'],
    ['%PATH%', '"%%cd:~,%PATH%%cd:~,%"'],
    ['^|<>()!', '"^|<>()!"'],
  ])('a batch file gets %j as no more than an argument', (argument, quoted) => {
    expect(quoteForBatch(argument)).toBe(quoted)
    // cmd.exe knows no backslashes: between an even number of quotes nothing is a command.
    expect(quoted.split('"').length % 2).toBe(1)
  })

  test('a variable is found in either case, and the last one counts', () => {
    expect(variable({ Path: 'a' }, 'PATH')).toBe('a')
    expect(variable({ Path: 'a', PATH: 'b' }, 'PATH')).toBe('b')
    expect(variable({ Path: 'a', PATH: undefined }, 'PATH')).toBeUndefined()
  })

  test('a line of the process list is one process, and a console’s host none', () => {
    const entry = { pid: 8, ppid: 4, pgid: 0, sid: null, state: 'alive', startTime: '134404453196005210' }
    expect(parseLine('8\t4\t134404453196005210\tnode.exe')).toEqual([{ ...entry, name: 'node.exe' }])
    expect(parseLine('8\t4\t134404453196005210\tConHost.exe')).toEqual([])
    expect(parseLine('')).toEqual([])
  })

  test('a number of its errors is told by the name that Node has for it', () => {
    expect([2, 5, 193].map(systemErrorCode)).toEqual(['ENOENT', 'EACCES', 'ENOEXEC'])
    expect(systemErrorCode(4_242)).toBe('error 4242')
  })
})
