import type { Channel, Connection } from 'rabbitmq-client'
import { BusbarError } from '../errors.ts'

/** What of a channel of `rabbitmq-client` 5 takes a message in, frame by frame; it is not in its types. */
interface Intake {
  _onHeader(frame: {
    readonly bodySize: number
    readonly fields: { contentEncoding?: string | undefined; oversize?: boolean }
  }): void
  _onBody(frame?: { readonly payload: Buffer }): void
}

/** A message that was larger than `maxBytes`; its body is empty. */
export interface Oversize {
  readonly oversize?: boolean
}

/**
 * Makes every channel of a connection give message bodies as the bytes that came. The client would parse JSON itself, and
 * what a number loses in that (12345678901234567890 becomes 12345678901234567000) cannot be had again; it does not do so
 * with an encoded body, and `identity` means none. Of bodies over `maxBytes` nothing is kept, so that what the broker hands
 * over ahead is bounded in bytes. `onClose` hears of the end of each channel.
 */
export function keepBytes(
  connection: Connection,
  { maxBytes, onClose }: { readonly maxBytes: number; readonly onClose: () => void },
): void {
  const acquire = connection.acquire.bind(connection)
  connection.acquire = async (options) => {
    const channel = await acquire(options)
    guard(channel, maxBytes)
    channel.once('close', onClose)
    return channel
  }
}

function guard(channel: Channel, maxBytes: number): void {
  const intake = channel as unknown as Intake
  if (typeof intake._onHeader !== 'function' || typeof intake._onBody !== 'function')
    throw new BusbarError(
      'config.invalid',
      'this version of rabbitmq-client gives no message bodies as bytes: npm install rabbitmq-client@5.0.8',
    )
  const onHeader = intake._onHeader.bind(channel)
  const onBody = intake._onBody.bind(channel)
  let dropping = false
  intake._onHeader = (frame) => {
    dropping = frame.bodySize > maxBytes
    if (dropping) frame.fields.oversize = true
    frame.fields.contentEncoding ??= 'identity'
    onHeader(frame)
  }
  intake._onBody = (frame) => onBody(frame && dropping ? { ...frame, payload: Buffer.alloc(0) } : frame)
}
