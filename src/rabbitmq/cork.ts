import type { Socket } from 'node:net'
import type { Channel } from 'rabbitmq-client'

/**
 * Has everything that `write` sends on this channel go out together: a packet for each message costs more than the message.
 * The client has no word for it; where its inside is made otherwise, the packets are only smaller. Resolves when the
 * socket takes more.
 */
export async function together(channel: Channel, write: () => void): Promise<void> {
  const { _conn: connection } = channel as unknown as { _conn?: { _socket?: Partial<Socket> } }
  const socket = connection?._socket
  if (typeof socket?.cork !== 'function' || typeof socket.uncork !== 'function') return write()
  socket.cork()
  try {
    write()
  } finally {
    socket.uncork()
  }
  if (socket.writableNeedDrain) await drained(channel, socket as Socket)
}

function drained(channel: Channel, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done)
      channel.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    channel.on('close', done)
  })
}
