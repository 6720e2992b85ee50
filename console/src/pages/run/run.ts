import type { Answer } from '../../api.ts'

export type RunDetail = Answer<'getRun'>
export type Step = RunDetail['steps'][number]
export type Attempt = RunDetail['history'][number]

/** Names a run: as the control API takes it. */
export interface RunRef {
  readonly flow: string
  readonly seq: number
  readonly generation: number
}

/** A run as its address names it: `flow/seq` or `flow/seq/generation`; flows may have slashes. Undefined when it is none. */
export function parseRun(path: string): RunRef | undefined {
  const [, flow, seq, generation = '0'] = /^(.+?)\/(\d{1,15})(?:\/(\d{1,5}))?$/.exec(path) ?? []
  return flow === undefined || seq === undefined
    ? undefined
    : { flow, seq: Number(seq), generation: Number(generation) }
}

/** The step that is of most interest: one that failed, else one that is under way, else the last that was done. */
export function stepOfInterest(steps: readonly Step[]): Step | undefined {
  const order = ['failed', 'undo-failed', 'undoing', 'retrying', 'running', 'waiting', 'done', 'pending']
  return [...steps].sort((one, other) => rank(order, one) - rank(order, other))[0]
}

function rank(order: readonly string[], { state }: Step): number {
  const at = order.indexOf(state)
  return at < 0 ? order.length : at
}

/** A recorded request or answer, its JSON body written out so that people can read and compare it. */
export function readable(text: string): string {
  const [head = '', ...rest] = text.split('\n\n')
  const body = rest.join('\n\n')
  if (body === '') return head.trimEnd()
  try {
    return `${head.trimEnd()}\n\n${JSON.stringify(JSON.parse(body), null, 2)}`
  } catch {
    return `${head.trimEnd()}\n\n${body}`
  }
}

/** Without what differs from one sending to the next for no reason that matters. */
export function comparable(text: string): string {
  return readable(text)
    .split('\n')
    .filter((line) => !/^(traceparent|tracestate|content-length): /.test(line))
    .join('\n')
}

/** The request as a command for a terminal; what is secret is not in it. */
export function asCurl(request: string, address: string): string {
  const [head = '', ...rest] = request.split('\n\n')
  const [line = '', ...headers] = head.split('\n')
  const [method = 'GET', path = '/'] = line.split(' ')
  const quote = (words: string) => `'${words.replaceAll("'", `'\\''`)}'`
  const url = path.startsWith('http') ? path : `${address.replace(/\/+$/, '')}${path}`
  const body = rest.join('\n\n')
  return [
    `curl -X ${method} ${quote(url)}`,
    ...headers
      .filter((header) => header.includes(': ') && !/^content-length/i.test(header))
      .map((header) => `-H ${quote(header)}`),
    ...(body === '' ? [] : [`--data-raw ${quote(body)}`]),
  ].join(' \\\n  ')
}
