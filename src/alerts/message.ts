import type { AlertChange, AlertMessage } from '../control/alert-words.ts'
import { headline, subjectOf } from '../control/alert-words.ts'
import { plain } from '../control/sentence.ts'

/** Changes that a message writes out; the rest it counts. */
const mostWritten = 20

/** Where the console shows the problem; undefined where nobody has said where the console is. */
export function linkOf(change: AlertChange, consoleUrl: string | undefined): string | undefined {
  return consoleUrl === undefined ? undefined : `${consoleUrl}/problems/${encodeURIComponent(change.problem)}`
}

/** The sentence of a change, as plain text; moments are in UTC, since a message has many readers. */
export function sentenceText({ sentence }: AlertChange): string {
  return plain(sentence, clock)
}

/** What is written below the subject. */
export function bodyOf(message: AlertMessage, consoleUrl: string | undefined): string {
  if (message.test) return `This is a test message of busbar, hub ${message.hub}. Nothing is wrong.\n`
  const written = message.changes.slice(0, mostWritten).map((change) => {
    const link = linkOf(change, consoleUrl)
    return [headline(change), sentenceText(change), ...(link === undefined ? [] : [link])].join('\n')
  })
  const more = message.changes.length - written.length
  return `${[...written, ...(more > 0 ? [`and ${more} more`] : [])].join('\n\n')}\n`
}

/** The text for Slack: its markup, with the problem as a link. What came from outside cannot become markup or a mention. */
export function slackText(message: AlertMessage, consoleUrl: string | undefined): string {
  if (message.test) return escaped(bodyOf(message, consoleUrl).trim())
  const written = message.changes.slice(0, mostWritten).map((change) => {
    const link = linkOf(change, consoleUrl)
    const head = escaped(headline(change))
    return `*${link === undefined ? head : `<${link}|${head.replaceAll('|', '¦')}>`}*\n${escaped(sentenceText(change))}`
  })
  const more = message.changes.length - written.length
  return [...written, ...(more > 0 ? [`and ${more} more`] : [])].join('\n\n')
}

/** The body of a webhook: `type`, `timestamp` and `data`, as Standard Webhooks recommends. */
export function webhookBody(message: AlertMessage, consoleUrl: string | undefined): string {
  const { id, hub, at, test, changes } = message
  return JSON.stringify({
    type: test ? 'busbar.alert.test' : 'busbar.alert',
    timestamp: at,
    data: {
      id,
      hub,
      text: subjectOf(message),
      changes: changes.map((change) => ({
        ...change,
        headline: headline(change),
        text: sentenceText(change),
        url: linkOf(change, consoleUrl) ?? null,
      })),
    },
  })
}

/** `10:42 UTC on 27 Nov 2026`. */
function clock(at: string): string {
  const moment = new Date(at)
  const date = moment.toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
  })
  return `${moment.toISOString().slice(11, 16)} UTC on ${date}`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[*_~`]/g, (mark) => `\u200b${mark}`)
}
