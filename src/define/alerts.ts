import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import { checkName } from './name.ts'
import { inRange } from './range.ts'
import { keepSecret } from './secrets.ts'

/**
 * What people can be told: a problem is new, needs a person, is over, came back; a system is cut off, is connected again.
 */
export const alertKinds = ['new', 'person', 'resolved', 'back', 'cut-off', 'connected'] as const
/** One of them. */
export type AlertKind = (typeof alertKinds)[number]

interface ChannelOptions {
  /** For people, and for `busbar alerts test`. */
  readonly name: string
  /** What it is told of; default: everything. */
  readonly tells?: readonly AlertKind[]
}

interface Channel {
  readonly name: string
  readonly tells: readonly AlertKind[]
  /** To whom it goes, without what is secret about it. */
  readonly address: string
}

/** Messages as JSON to a URL of your own, signed as Standard Webhooks says. */
export interface WebhookChannel extends Channel {
  readonly kind: 'webhook'
  readonly url: string
  readonly secret: string
}

/** Messages to an incoming webhook of Slack, or of what takes the same: Mattermost, Rocket.Chat, Discord below `/slack`. */
export interface SlackChannel extends Channel {
  readonly kind: 'slack'
  readonly url: string
}

/** Messages by e-mail. */
export interface EmailChannel extends Channel {
  readonly kind: 'email'
  readonly smtp: SmtpSettings
  readonly from: string
  readonly to: readonly string[]
}

/** A mail server. */
export interface SmtpSettings {
  readonly host: string
  /** Default 587; 465 speaks TLS from the first byte, the others begin it with STARTTLS. */
  readonly port: number
  readonly user?: string
  readonly password?: string
  /** False: send even where the server offers no TLS, as one on the same machine may. Default true, but for loopback. */
  readonly requireTls: boolean
}

/** A way to tell people. */
export type AlertChannel = WebhookChannel | SlackChannel | EmailChannel

/** Alerts, as they are configured. */
export interface AlertsConfig {
  readonly channels: readonly AlertChannel[]
  /** How long a change must last before it is told, and the shortest time between two messages; default 30 s. */
  readonly settle?: Duration
  /** The shortest time between two messages about one problem, longer each time while they follow each other; default 5 min. */
  readonly quiet?: Duration
}

/** The same with defaults filled in. */
export interface AlertsSettings {
  readonly channels: readonly AlertChannel[]
  readonly settleMs: number
  readonly quietMs: number
}

/** Fills in the defaults. Throws `config.invalid` that names what is wrong. */
export function alertsSettings(options: AlertsConfig = { channels: [] }): AlertsSettings {
  const names = new Set<string>()
  for (const { name } of options.channels) {
    if (names.has(name)) throw new BusbarError('config.conflict', `two alert channels are named "${name}"`)
    names.add(name)
  }
  const range = { from: 0, to: 86_400_000 }
  return {
    channels: options.channels,
    settleMs: inRange('alerts.settle', durationMs(options.settle ?? '30s'), range),
    quietMs: inRange('alerts.quiet', durationMs(options.quiet ?? '5m'), range),
  }
}

/**
 * Tells a URL of your own about problems: a POST of JSON with the headers of Standard Webhooks
 * (https://www.standardwebhooks.com). A secret in base64 carries the prefix `whsec_`. The same `webhook-id` comes again
 * when it is not known whether a message arrived. Throws `config.invalid`.
 *
 * @example webhookChannel({ name: 'on-call', url: env.ON_CALL_URL, secret: env.ON_CALL_SECRET, tells: ['person', 'cut-off'] })
 */
export function webhookChannel(
  options: ChannelOptions & { readonly url: string; readonly secret: string },
): WebhookChannel {
  const { name, url, secret } = options
  if (!secret) invalid(`alert channel "${name}" has no secret; is an environment variable missing?`)
  keepSecret(secret)
  return { ...base(options), kind: 'webhook', url, secret, address: hostOf(name, url) }
}

/**
 * Tells a channel of Slack, or of what takes the same JSON, about problems. The URL is a secret. Throws `config.invalid`.
 *
 * @example slackChannel({ name: 'operations', url: env.SLACK_WEBHOOK_URL })
 */
export function slackChannel(options: ChannelOptions & { readonly url: string }): SlackChannel {
  const { name, url } = options
  const address = hostOf(name, url)
  keepSecret(new URL(url).pathname)
  return { ...base(options), kind: 'slack', url, address }
}

/**
 * Tells people about problems by e-mail. Needs the package `nodemailer`. Throws `config.invalid`.
 *
 * @example
 * emailChannel({
 *   name: 'office',
 *   smtp: { host: 'mail.example.com', user: env.SMTP_USER, password: env.SMTP_PASSWORD },
 *   from: 'busbar <busbar@example.com>',
 *   to: ['operations@example.com'],
 * })
 */
export function emailChannel(
  options: ChannelOptions & {
    readonly smtp: Pick<SmtpSettings, 'host'> & Partial<SmtpSettings>
    readonly from: string
    readonly to: readonly string[]
  },
): EmailChannel {
  const { name, smtp, from, to } = options
  keepSecret(smtp.password)
  if (to.length === 0) invalid(`alert channel "${name}" is sent to nobody: to: ['operations@example.com']`)
  for (const each of [from, ...to])
    if (!/^[^\r\n]*[^\s@]+@[^\s@]+[^\r\n]*$/.test(each))
      invalid(`alert channel "${name}": "${each}" is no e-mail address`)
  const isLocal = ['localhost', '127.0.0.1', '::1'].includes(smtp.host)
  const port = inRange(`alert channel "${name}": smtp.port`, smtp.port ?? 587, {
    from: 1,
    to: 65_535,
    whole: true,
  })
  return {
    ...base(options),
    kind: 'email',
    smtp: { requireTls: !isLocal, ...smtp, port },
    from,
    to,
    address: to.join(', '),
  }
}

function base({ name, tells = alertKinds }: ChannelOptions): Pick<Channel, 'name' | 'tells'> {
  checkName('name of an alert channel', name)
  const wrong = tells.find((each) => !alertKinds.includes(each))
  if (wrong !== undefined)
    invalid(`alert channel "${name}" cannot tell "${wrong}", only ${alertKinds.join(', ')}`)
  return { name, tells }
}

/** What is behind the host may be a secret. */
function hostOf(name: string, url: string): string {
  const { protocol, host } = URL.canParse(url) ? new URL(url) : { protocol: '', host: '' }
  if (protocol !== 'https:' && protocol !== 'http:')
    invalid(
      `alert channel "${name}" has no URL that begins with https://; is an environment variable missing?`,
    )
  return `${protocol}//${host}/…`
}

function invalid(message: string): never {
  throw new BusbarError('config.invalid', message)
}
