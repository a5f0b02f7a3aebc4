import { CoppiceError } from '../errors.js'

/** `--containment KIND`: an error where that kind cannot be had, since a weaker one was not what was asked for. */
export function insistOn(kind: string): void {
  if (kind === 'group') return
  throw new CoppiceError('launch_failed', `--containment ${kind}: cannot be had here (there is group)`)
}
