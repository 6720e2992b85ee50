import { createHmac } from 'node:crypto'
import { Socket } from 'node:net'
import type Nodemailer from 'nodemailer'
import { request } from 'undici'
import type { AlertChannel, EmailChannel, SlackChannel, WebhookChannel } from '../define/alerts.ts'
import { BusbarError } from '../errors.ts'
import type { AlertMessage } from '../control/alert-words.ts'
import { subjectOf } from '../control/alert-words.ts'
import { bodyOf, slackText, webhookBody } from './message.ts'

/** What became of one try. `later`: it may be tried again, `afterMs` at the soonest if the receiver said so. */
export type SendOutcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'later' | 'never'; readonly error: string; readonly afterMs?: number }

/** Where links in messages lead, and how long a receiver may take in all, from the connection to its last word. */
export interface SendOptions {
  readonly consoleUrl: string | undefined
  readonly timeoutMs: number
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

/** Sends a message over a channel. Never rejects: what goes wrong is an outcome, without secrets of the channel in it. */
export async function sendAlert(
  channel: AlertChannel,
  message: AlertMessage,
  options: SendOptions,
): Promise<SendOutcome> {
  try {
    switch (channel.kind) {
      case 'webhook':
        return await sendWebhook(channel, message, options)
      case 'slack':
        return await sendSlack(channel, message, options)
      case 'email':
        return await sendEmail(channel, message, options)
    }
  } catch (error) {
    return { kind: 'later', error: told(error, channel) }
  }
}

function sendWebhook(
  channel: WebhookChannel,
  message: AlertMessage,
  options: SendOptions,
): Promise<SendOutcome> {
  const body = webhookBody(message, options.consoleUrl)
  const timestamp = Math.floor(Date.now() / 1_000)
  return post(channel.url, body, options, {
    'webhook-id': message.id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature(channel.secret, `${message.id}.${timestamp}.${body}`)}`,
  })
}

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, as `standardWebhooks` of a source verifies it. */
function signature(secret: string, text: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
  return createHmac('sha256', key).update(text).digest('base64')
}

function sendSlack(channel: SlackChannel, message: AlertMessage, options: SendOptions): Promise<SendOutcome> {
  return post(channel.url, JSON.stringify({ text: slackText(message, options.consoleUrl) }), options, {})
}

async function post(
  url: string,
  body: string,
  { timeoutMs, signal }: SendOptions,
  headers: Readonly<Record<string, string>>,
): Promise<SendOutcome> {
  const answer = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'busbar', ...headers },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  })
  await answer.body.dump({ limit: 65_536 })
  const { statusCode } = answer
  if (statusCode >= 200 && statusCode < 300) return { kind: 'sent' }
  const error = `it answered ${statusCode}`
  // What will be refused again for good need not be tried for a day.
  if (statusCode >= 300 && statusCode < 500 && ![408, 425, 429].includes(statusCode))
    return { kind: 'never', error }
  const seconds = Number(answer.headers['retry-after'])
  return { kind: 'later', error, ...(seconds > 0 && { afterMs: Math.min(seconds, 3_600) * 1_000 }) }
}

async function sendEmail(
  channel: EmailChannel,
  message: AlertMessage,
  { consoleUrl, timeoutMs, signal }: SendOptions,
): Promise<SendOutcome> {
  const { smtp, from, to } = channel
  const { createTransport } = await mailer()
  const socket = new Socket()
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.port === 465,
    requireTLS: smtp.requireTls && smtp.port !== 465,
    ...(smtp.user !== undefined && { auth: { user: smtp.user, pass: smtp.password ?? '' } }),
    socket,
    dnsTimeout: timeoutMs / 2,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const mail = {
    from,
    to: [...to],
    subject: subjectOf(message),
    text: bodyOf(message, consoleUrl),
    messageId: `<${message.id}@busbar>`,
    headers: { 'auto-submitted': 'auto-generated' },
  }
  try {
    await within(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), transport.sendMail(mail))
    return { kind: 'sent' }
  } catch (error) {
    const { responseCode = 0 } = error as { responseCode?: number }
    return {
      kind: responseCode >= 500 && responseCode !== 535 ? 'never' : 'later',
      error: told(error, channel),
    }
  } finally {
    transport.close()
    socket.destroy()
  }
}

/** The work, or the reason of the signal: each wait of a mail is bounded, but a server that says a little now and then ends none of them. */
function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const end = () => reject(signal.reason as Error)
  if (signal.aborted) end()
  signal.addEventListener('abort', end)
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', end))
}

async function mailer(): Promise<Pick<typeof Nodemailer, 'createTransport'>> {
  try {
    return await import('nodemailer')
  } catch (error) {
    throw new BusbarError('config.invalid', 'e-mail needs the package nodemailer: npm install nodemailer', {
      cause: error,
    })
  }
}

/** What libraries say of a failure may repeat what they were given. */
function told(error: unknown, channel: AlertChannel): string {
  const { name, code, message } = error as { name?: string; code?: string; message?: string }
  if (name === 'AbortError') return 'the process ended meanwhile'
  if (name === 'TimeoutError') return 'it did not answer in time'
  let text = [code, message].filter((part) => part !== undefined && part !== '').join(': ')
  const secrets =
    channel.kind === 'email'
      ? [channel.smtp.password, channel.smtp.user]
      : [channel.url, new URL(channel.url).pathname, ...(channel.kind === 'webhook' ? [channel.secret] : [])]
  for (const secret of secrets) if (secret && secret.length > 1) text = text.replaceAll(secret, '…')
  return text.slice(0, 300) || 'it failed'
}
