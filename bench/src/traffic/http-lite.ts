/** The smallest HTTP/1.1 that the harness needs on both ends, so that measuring costs little of what is measured. */

const headEnd = '\r\n\r\n'

/** Splits a stream of messages with content-length; calls back with each head and body. */
export function messageReader(onMessage: (head: string, body: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined
  return (chunk) => {
    let buffer = rest ? Buffer.concat([rest, chunk]) : chunk
    rest = undefined
    for (;;) {
      const end = buffer.indexOf(headEnd)
      if (end < 0) break
      const head = buffer.toString('latin1', 0, end)
      const next = end + headEnd.length + lengthIn(head)
      if (buffer.length < next) break
      onMessage(head, buffer.subarray(end + headEnd.length, next))
      buffer = buffer.subarray(next)
    }
    if (buffer.length > 0) rest = buffer
  }
}

function lengthIn(head: string): number {
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
}

/** The value of a header whose name is given in lower case, whatever case it was sent in. */
export function headerOf(head: string, name: string): string | undefined {
  const line = `\r\n${name}: `
  let start = head.indexOf(line)
  if (start < 0) start = head.toLowerCase().indexOf(line)
  if (start < 0) return undefined
  const end = head.indexOf('\r\n', start + line.length)
  return head.slice(start + line.length, end < 0 ? undefined : end)
}
