import { Send } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { Sign } from '../../parts/sign.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'
import { pathTo } from '../../parts/words.tsx'
import './alerts.css'

type Channel = Answer<'listAlertChannels'>['items'][number]
type Delivery = Answer<'listAlertDeliveries'>['items'][number]

const kinds: Readonly<Record<string, string>> = { webhook: 'Webhook', slack: 'Chat', email: 'E-mail' }

/** A message is under way for some seconds; what waits for its next try need not be watched. */
function soon(messages: readonly (Delivery | null)[]): number | false {
  return messages.some((each) => each?.state === 'pending' && each.tries === 0) && 1_000
}

/** Who is told of problems, and what became of the messages. */
export function Alerts() {
  const channels = useAsk('alert-channels', 'listAlertChannels', undefined, {
    everyMs: ({ items }) => soon(items.map(({ last }) => last)),
  })
  return (
    <>
      <section className="card scrolls" aria-label="Alert channels" tabIndex={0}>
        <header>
          <h2>Who is told of problems</h2>
        </header>
        <Asked query={channels}>
          {({ items }) => (items.length === 0 ? <Nobody /> : <Channels channels={items} />)}
        </Asked>
      </section>
      <Deliveries />
    </>
  )
}

function Nobody() {
  return (
    <Empty title="Nobody is told of problems">
      Name a webhook, a chat or e-mail under <code>alerts</code> in the configuration; docs/alerts.md says
      how. Then people hear once of each problem, when it needs them and when it is over.
    </Empty>
  )
}

function Channels({ channels }: { readonly channels: readonly Channel[] }) {
  const test = useAct('testAlertChannel', {
    done: ({ channel }) =>
      toast({
        tone: 'run',
        title: `A test message goes to ${channel}`,
        text: 'The list below says whether it arrives.',
      }),
  })
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Channel</th>
          <th className="desk-only">To</th>
          <th className="desk-only">Is told of</th>
          <th>Last message</th>
          <th className="num">Test</th>
        </tr>
      </thead>
      <tbody>
        {channels.map(({ name, kind, address, tells, last }) => (
          <tr key={name}>
            <td className="main-cell">
              {name}
              <span className="alert-kind">{kinds[kind] ?? kind}</span>
            </td>
            <td className="desk-only dim mono">{address}</td>
            <td className="desk-only dim">
              {tells.length === 6 ? 'everything' : tells.map(toldOf).join(', ')}
            </td>
            <td>{last ? <Outcome of={last} /> : <span className="dim">none yet</span>}</td>
            <td className="num">
              <ActButton className="btn s" disabled={test.isPending} onClick={() => test.mutate({ name })}>
                <Send className="i" aria-hidden="true" />
                Send a test to {name}
              </ActButton>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const words: Readonly<Record<string, string>> = {
  new: 'new problems',
  person: 'what needs a person',
  resolved: 'what is over',
  back: 'what comes back',
  'cut-off': 'systems cut off',
  connected: 'systems connected again',
}

function toldOf(kind: string): string {
  return words[kind] ?? kind
}

function Outcome({ of: { state, endedAt, nextAt, error } }: { readonly of: Delivery }) {
  if (state === 'sent')
    return (
      <span className="tone" data-tone="ok">
        <Sign name="ok" /> <span>Arrived {endedAt !== null && <Time at={endedAt} />}</span>
      </span>
    )
  if (state === 'failed')
    return (
      <span className="tone" data-tone="park">
        <Sign name="park" /> <span>Given up: {error}</span>
      </span>
    )
  return (
    <span className="tone" data-tone="retry">
      <Sign name="retry" />{' '}
      <span>
        {nextAt === null ? (
          'On its way'
        ) : (
          <>
            Again <Time at={nextAt} clock />: {error}
          </>
        )}
      </span>
    </span>
  )
}

const perPage = 20

function Deliveries() {
  const [before, setBefore] = useSearchValue('before')
  const page = useAsk(
    'alert-deliveries',
    'listAlertDeliveries',
    { limit: perPage, ...(before !== undefined && { before: Number(before) }) },
    { everyMs: ({ items }) => soon(items) },
  )
  return (
    <section className="card scrolls" aria-label="Messages" tabIndex={0}>
      <header>
        <h2>What was sent</h2>
        {before !== undefined && (
          <button type="button" className="btn s" onClick={() => setBefore(undefined, true)}>
            Show the newest
          </button>
        )}
      </header>
      <Asked query={page}>
        {({ items, next }) =>
          items.length === 0 ? (
            <Empty title="No message was sent yet">
              One is written when a problem opens, needs a person, or ends.
            </Empty>
          ) : (
            <>
              <table className="table">
                <thead>
                  <tr>
                    <th>Message</th>
                    <th>To</th>
                    <th>Outcome</th>
                    <th className="num">Written</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((each) => (
                    <tr key={each.id}>
                      <td className="main-cell">
                        <Subject of={each} />
                      </td>
                      <td>{each.channel}</td>
                      <td>
                        <Outcome of={each} />
                      </td>
                      <td className="num">
                        <Time at={each.at} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {next !== null && (
                <footer>
                  <button type="button" className="btn s" onClick={() => setBefore(next, true)}>
                    Show older messages
                  </button>
                </footer>
              )}
            </>
          )
        }
      </Asked>
    </section>
  )
}

function Subject({ of: { changes, subject } }: { readonly of: Delivery }) {
  if (changes.length === 0) return subject
  return (
    <ul className="alert-changes">
      {changes.slice(0, 5).map(({ problem, headline }) => (
        <li key={problem}>
          <a className="link" href={pathTo('problem', problem)}>
            {headline}
          </a>
        </li>
      ))}
      {changes.length > 5 && <li className="dim">and {changes.length - 5} more</li>}
    </ul>
  )
}
