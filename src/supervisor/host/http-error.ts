/**
 * What the errors of HTTP clients have in common: Anthropic's and OpenAI's SDKs put `status` and `headers` on theirs (a
 * `Headers`, in older versions a record), Vercel's AI SDK `statusCode` and `responseHeaders`, axios a `response` with both.
 * Looked at in their releases 1.12 and 7.57, with real failures; a body that breaks is fetch's own error in both.
 */

type Fields = Readonly<Record<string, unknown>>

/** Null where the error is no answer of a server's. */
export function statusOf(error: unknown): number | null {
  const { status, statusCode, response } = fieldsOf(error)
  const found = [status, statusCode, fieldsOf(response).status].find((value) => typeof value === 'number')
  return typeof found === 'number' ? found : null
}

/** The value of a header of the answer, by its name in lower case. */
export function headerOf(error: unknown, name: string): string | null {
  const { headers, responseHeaders, response } = fieldsOf(error)
  for (const held of [headers, responseHeaders, fieldsOf(response).headers]) {
    const value = valueIn(fieldsOf(held), name)
    if (value !== null) return value
  }
  return null
}

function valueIn(headers: Fields, name: string): string | null {
  if (typeof headers.get === 'function') return textOf(headers.get(name))
  const key = Object.keys(headers).find((key) => key.toLowerCase() === name)
  return key === undefined ? null : textOf(headers[key])
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}

/** Of anything that can be thrown. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}
