import { PassThrough, pipeline, type Readable, type Writable } from 'node:stream'

/**
 * execa lets output flow away that nobody reads within a turn of the loop, and Node does the same at the exit;
 * whoever asked for this tree has not even got it by then. The stream between keeps it, with back-pressure.
 */
export function keptUntilRead(source: Readable): Readable {
  const kept = withoutUnhandledErrors(new PassThrough())
  pipeline(source, kept, () => {})
  return kept
}

/** EPIPE where a tool ends without reading its input is no error of ours. */
export function withoutUnhandledErrors<T extends Readable | Writable>(stream: T): T {
  return stream.on('error', () => {}) as T
}
