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
