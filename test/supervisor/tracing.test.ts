import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { openSupervisor } from 'coppice'
import { exec } from 'coppice/exec'
import { afterEach, expect } from 'vitest'
import { test } from '../support/scene.ts'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const users = trace.getTracer('of the user')

afterEach(() => exporter.reset())

const spans = () => exporter.getFinishedSpans()
const idOf = (span: ReadableSpan) => span.spanContext().spanId
function spanOf(attribute: string, value: unknown): ReadableSpan {
  const found = spans().filter(({ attributes }) => attributes[attribute] === value)
  expect(found, `spans whose ${attribute} is ${value}`).toHaveLength(1)
  return found[0] as ReadableSpan
}
const only = (name: string) => {
  const found = spans().filter((span) => span.name === name)
  expect(found, name).toHaveLength(1)
  return found[0] as ReadableSpan
}

test('a run is a span in the caller’s; its commands, the user’s own spans and its subagents are in it, wherever they are called from', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state })
  const ids = await users.startActiveSpan('request', async (request) => {
    const found = await supervisor.run({ session: 'a' }, async (run) => {
      await run.exec('echo', ['in the callback'])
      await users.startActiveSpan('http', async (http) => {
        await run.exec('true')
        http.end()
      })
      // From elsewhere, as an event's handler would: it is the run's all the same.
      await context.with(ROOT_CONTEXT, () => run.exec('pwd'))
      const sub = await run.subagent({ session: 'b' }, async (child) => {
        await child.exec('uname')
        return child.id
      })
      return { run: run.id, sub }
    })
    request.end()
    return found
  })
  await supervisor.close()

  const request = only('request')
  const run = spans().find(
    (span) => span.name === 'coppice.run' && span.attributes['coppice.run.id'] === ids.run,
  )
  const sub = spans().find(
    (span) => span.name === 'coppice.run' && span.attributes['coppice.run.id'] === ids.sub,
  )
  if (run === undefined || sub === undefined) throw new Error('a run has no span')
  expect(run.attributes).toEqual({
    'coppice.run.id': ids.run,
    'coppice.session': 'a',
    'coppice.run.fence': 1,
    'coppice.run.state': 'succeeded',
    'coppice.run.cause': 'returned',
    'coppice.run.forced': false,
    'coppice.run.callback': 'settled',
    'coppice.run.trees': 3,
    'coppice.run.waited_ms': expect.any(Number),
  })
  expect(run.status.code).toBe(SpanStatusCode.UNSET)
  const parents = {
    run: run.parentSpanContext?.spanId,
    http: only('http').parentSpanContext?.spanId,
    sub: sub.parentSpanContext?.spanId,
    echo: spanOf('process.command', 'echo').parentSpanContext?.spanId,
    true: spanOf('process.command', 'true').parentSpanContext?.spanId,
    pwd: spanOf('process.command', 'pwd').parentSpanContext?.spanId,
    uname: spanOf('process.command', 'uname').parentSpanContext?.spanId,
  }
  expect(parents).toEqual({
    run: idOf(request),
    http: idOf(run),
    sub: idOf(run),
    echo: idOf(run),
    true: idOf(only('http')),
    pwd: idOf(run),
    uname: idOf(sub),
  })
  expect(sub.attributes).toMatchObject({ 'coppice.parent': ids.run, 'coppice.session': 'b' })
  expect(spanOf('process.command', 'echo').attributes).toEqual({
    'process.command': 'echo',
    'process.pid': expect.any(Number),
    'process.exit.code': 0,
    'coppice.tree.id': `${ids.run}.1`,
    'coppice.run.id': ids.run,
    'coppice.ended': 'exited',
    'coppice.forced': false,
  })
  expect(new Set(spans().map((span) => span.spanContext().traceId)).size).toBe(1)
})

test('P5: what did not go well is an error, with its cause; and every span ends', async ({ scene }) => {
  const supervisor = await openSupervisor({ state: scene.state, grace: '20s' })
  const failed = supervisor.start({ session: 'a' }, async (run) => {
    await run.exec('sh', ['-c', 'exit 3'])
    await run.exec('no-such-command').catch(() => {})
    throw new Error('on purpose')
  })
  await failed.outcome
  const late = supervisor.start({ session: 'a', timeout: '3s' }, (run) => run.exec('sleep', ['600']))
  await late.outcome
  const holder = await supervisor.begin({ session: 'b' })
  const refused = supervisor.start({ session: 'b', ifBusy: 'refuse' }, () => 1)
  await refused.outcome
  await holder.end()
  await supervisor.close()

  const run = (id: string) => {
    const found = spans().find(
      (span) => span.name === 'coppice.run' && span.attributes['coppice.run.id'] === id,
    )
    return { status: found?.status, ...found?.attributes }
  }
  const ERROR = SpanStatusCode.ERROR
  expect(run(failed.id)).toMatchObject({
    status: { code: ERROR, message: 'on purpose' },
    'error.type': 'threw',
    'coppice.run.state': 'failed',
  })
  expect(run(late.id)).toMatchObject({
    status: { code: ERROR, message: 'timed_out' },
    'coppice.run.cause': 'timed_out',
  })
  expect(run(refused.id)).toMatchObject({ status: { code: ERROR }, 'coppice.run.cause': 'busy' })
  expect(run(holder.id)).toMatchObject({ status: { code: SpanStatusCode.UNSET } })
  expect(spanOf('process.command', 'sh')).toMatchObject({
    status: { code: ERROR, message: 'exit code 3' },
    attributes: { 'process.exit.code': 3, 'error.type': 'exit code 3' },
  })
  expect(spanOf('process.command', 'no-such-command')).toMatchObject({
    status: { code: ERROR },
    attributes: { 'error.type': 'command_not_found' },
  })
  expect(spanOf('process.command', 'sleep')).toMatchObject({
    status: { code: ERROR, message: 'timed_out' },
    attributes: { 'coppice.exit.signal': 'SIGTERM', 'coppice.ended': 'timed_out' },
  })
  expect(spans()).toHaveLength(7)
})

test('a begun run has no callback: what is called on it is in its span, beside whatever else is active', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state })
  const run = await supervisor.begin({})
  await users.startActiveSpan('something else', async (span) => {
    await run.exec('true')
    span.end()
  })
  await run.end()
  await supervisor.close()
  expect(only('coppice.exec').parentSpanContext?.spanId).toBe(idOf(only('coppice.run')))
})

test('a command without a run is in the caller’s span', async () => {
  await users.startActiveSpan('request', async (span) => {
    await exec('true')
    span.end()
  })
  expect(only('coppice.exec').parentSpanContext?.spanId).toBe(idOf(only('request')))
  expect(only('coppice.exec').attributes).not.toHaveProperty('coppice.run.id')
})

test('no declaration names the API, which is optional: a program without it compiles', () => {
  const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts'))
    .map((name) => name.replaceAll('\\', '/'))
  expect(files).toContain('supervisor/host/tracing.d.ts')
  expect(files.filter((name) => readFileSync(join(dist, name), 'utf8').includes('@opentelemetry'))).toEqual(
    [],
  )
})

test('without an SDK there is no span, and the API is not even loaded', async ({ scene }) => {
  const host = scene.host('host-without-tracing.mjs')
  expect(await host.exited).toMatchObject({ code: 0, stdout: 'loaded: none, then 1\n', stderr: '' })
})
