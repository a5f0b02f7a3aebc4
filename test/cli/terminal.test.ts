import { describe, expect } from 'vitest'
import { bestHere } from '../support/containment.ts'
import { command, test } from '../support/scene.ts'
import { hasTerminals, inTerminal } from '../support/terminal.ts'

describe.skipIf(!hasTerminals || bestHere.containment === 'group')(
  'case 15: coppice run under a terminal',
  () => {
    test('Ctrl-C reaches the tool once, and its exit is coppice’s', async ({ scene }) => {
      const script = `coppice run -- bash -c 'trap "echo heard; exit 7" INT; echo ready; while :; do sleep 0.05; done'`
      const terminal = inTerminal(scene, `${script}; echo "code $?"`)
      await terminal.shows('ready')
      terminal.type('\x03')
      await terminal.shows('code 7')
      await terminal.shows('ended 0')
      expect(terminal.screen().match(/heard/g)).toHaveLength(1)
    })

    test('a shell’s loop around it stops, as it would around the tool', async ({ scene }) => {
      const loop = (run: string) => `for i in 1 2 3; do echo "round $i"; ${run}; done`
      const tool = `bash -c 'echo ready; exec sleep 30'`
      for (const run of [tool, `'${process.execPath}' '${command}' run -- ${tool}`]) {
        const terminal = inTerminal(scene, loop(run))
        await terminal.shows('ready')
        terminal.type('\x03')
        await terminal.shows('ended 130')
        expect(terminal.screen()).not.toContain('round 2')
      }
    })

    test('a REPL reads what is typed, and the end of input ends it', async ({ scene }) => {
      const terminal = inTerminal(scene, `PS1='prompt ' coppice run -- bash --norc -i; echo "code $?"`)
      await terminal.shows('prompt ')
      terminal.type('echo $((6 * 7))\n')
      await terminal.shows('42\n')
      terminal.type('exit 5\n')
      await terminal.shows('code 5')
    })

    test('the tool sees the window’s size change', async ({ scene }) => {
      const script = `trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done`
      const terminal = inTerminal(scene, `coppice run -- bash -c "${script}"`)
      await terminal.shows('ready')
      terminal.child.kill('SIGUSR1')
      await terminal.shows('50 120')
      await terminal.shows('ended 0')
    })

    test('its settings come back when the tool dies badly, or its guard', async ({ scene }) => {
      const compared = (run: string) =>
        inTerminal(
          scene,
          `was=$(stty -g); ${run}; echo "code $?"; [ "$was" = "$(stty -g)" ] && echo same || echo other`,
        )
      const terminal = compared(`coppice run -- bash -c 'stty raw -echo; kill -9 $$'`)
      await terminal.shows('code 137')
      await terminal.shows('same')
      const unguarded = compared(`coppice run -- bash -c 'stty raw -echo; kill -9 $PPID; sleep 5'`)
      await unguarded.shows(/code [1-9]/)
      await unguarded.shows('same')
    })

    test('Ctrl-Z stops tool and coppice, and fg continues both', async ({ scene }) => {
      const tool = `bash -c 'echo ready; read line; echo "got $line"'`
      const terminal = inTerminal(
        scene,
        `set -m; coppice_() { exec '${process.execPath}' '${command}' "$@"; }
      (coppice_ run -- ${tool}); echo "stopped $?"; fg >/dev/null; echo "code $?"`,
      )
      await terminal.shows('ready')
      terminal.type('\x1a')
      await terminal.shows('stopped 148')
      terminal.type('hello\n')
      await terminal.shows('got hello')
      await terminal.shows('code 0')
    })
  },
)
