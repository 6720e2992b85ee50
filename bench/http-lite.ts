/** The smallest HTTP/1.1 that the harness needs on both ends, so that measuring costs little of what is measured. */

/** Splits a stream of messages with content-length; calls back with each head and body. */
export function messageReader(onMessage: (head: string, body: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined
  return (chunk) => {
    let buffer = rest ? Buffer.concat([rest, chunk]) : chunk
    rest = undefined
    for (;;) {
      const end = buffer.indexOf('\r\n\r\n')
      if (end < 0) break
      const head = buffer.toString('latin1', 0, end)
      const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      const next = end + 4 + length
      if (buffer.length < next) break
      onMessage(head, buffer.subarray(end + 4, next))
      buffer = buffer.subarray(next)
    }
    if (buffer.length > 0) rest = buffer
  }
}

/** Milliseconds since 1970 with fractions; comparable between processes of one machine. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now()
}
