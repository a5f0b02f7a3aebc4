// The smallest gateway that is one: a message is a command that its session runs, one at a time.
//
//   curl -d '["sh", "-c", "sleep 1; echo done"]' localhost:8080/sessions/me
import { createServer } from 'node:http'
import { isCoppiceError, openSupervisor } from 'coppice'

const supervisor = await openSupervisor({
  state: process.env.COPPICE_STATE,
  // SIGTERM ends every run with its trees in 9 s, less than `docker stop` gives; then the process exits.
  handleSignals: true,
  sessionBudget: { limits: { memory: '256MB', pids: 100 } },
})

const server = createServer(async (request, response) => {
  try {
    const session = /^\/sessions\/([\w-]+)$/.exec(request.url ?? '')?.[1]
    if (request.method !== 'POST' || session === undefined) return answer(response, 404, {})
    const [command, ...args] = JSON.parse(await textOf(request))
    const result = await supervisor.run({ session, timeout: '5m' }, (run) => run.exec(command, args))
    answer(response, 200, {
      ended: result.ended,
      exit: result.exit,
      stdout: result.stdout,
      tree: result.tree,
    })
  } catch (error) {
    const code = isCoppiceError(error) ? error.code : 'bad_request'
    answer(response, code === 'bad_request' ? 400 : 409, { code, message: error.message })
  }
})
server.listen(Number(process.env.PORT ?? 8080), () => console.log('open'))

async function textOf(request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
