import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { ReasonDialog } from '../../parts/reason-dialog.tsx'
import { Sign } from '../../parts/sign.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'
import { Words } from '../../parts/words.tsx'

type Transport = Answer<'readTransport'>
type Queue = Transport['queues'][number]

/** What carries events to the workers: the log itself, or a broker with its relay and queues. */
export function Transport() {
  const query = useAsk('workers', 'readTransport')
  return (
    <Asked query={query}>
      {(transport) => (
        <div className="stack">
          <Standing transport={transport} />
          {transport.queues.length > 0 && <Queues transport={transport} />}
        </div>
      )}
    </Asked>
  )
}

function Standing({ transport }: { readonly transport: Transport }) {
  const { kind, address, reachable, relay, sentence, ok } = transport
  return (
    <Card title="How events reach the workers">
      <div className="stack">
        <p className="note" data-tone={ok ? 'ok' : 'retry'}>
          <Sign name={ok ? 'ok' : 'retry'} />
          <span>
            <Words parts={sentence} />
          </span>
        </p>
        {kind !== 'log' && (
          <Facts
            of={[
              ['Broker', `${kind} at ${address}, ${reachable ? 'it answers' : 'it does not answer'}`],
              ['Relay', relay?.holder ?? 'none is live'],
              [
                'Carried',
                relay === null ? 'nothing yet' : `up to ${count(relay.position)} of ${count(relay.head)}`,
              ],
              ['Behind', relay === null ? 'nothing' : <Behind key="behind" relay={relay} />],
            ]}
          />
        )}
      </div>
    </Card>
  )
}

function Behind({ relay: { behind, oldestAt } }: { readonly relay: NonNullable<Transport['relay']> }) {
  if (behind === 0) return 'nothing'
  return (
    <>
      {counted(behind, 'event')}
      {oldestAt !== null && (
        <>
          , the oldest <Time at={oldestAt} />
        </>
      )}
    </>
  )
}

function Queues({ transport: { queues, leftOver, reachable } }: { readonly transport: Transport }) {
  const [asked, setAsked] = useState<Queue>()
  return (
    <Card
      flush
      className="scrolls"
      title={`${counted(queues.length, 'queue')}${leftOver > 0 ? `, ${count(leftOver)} left over` : ', all in use'}`}
    >
      <table className="table">
        <thead>
          <tr>
            <th>Queue</th>
            <th>State</th>
            <th>Lane group</th>
            <th className="num">Messages</th>
            <th>
              <span className="sr">Act</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {queues.map((queue) => (
            <tr key={queue.queue}>
              <td className="mono">{queue.queue}</td>
              <td>
                <State kind="engine" of={queue.state} />
              </td>
              <td className="dim">
                {queue.group}
                {queue.partitions > 1 && `, part ${queue.partition + 1} of ${queue.partitions}`}
              </td>
              <td className="num">
                {queue.messages === null ? (reachable ? 'not there' : 'unknown') : count(queue.messages)}
              </td>
              <td className="num">
                {queue.state === 'left-over' && (
                  <ActButton
                    className="btn s"
                    onClick={() => setAsked(queue)}
                    aria-label={`Remove ${queue.queue}`}
                  >
                    Remove…
                  </ActButton>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {asked && <RemoveDialog queue={asked} onClose={() => setAsked(undefined)} />}
    </Card>
  )
}

function RemoveDialog({
  queue: { queue, messages },
  onClose,
}: {
  readonly queue: Queue
  readonly onClose: () => void
}) {
  const { mutate, isPending } = useAct('removeQueue', {
    done: () => {
      toast({ tone: 'ok', title: `${queue} is removed` })
      onClose()
    },
  })
  return (
    <ReasonDialog
      danger
      title={`Remove ${queue}?`}
      act="Remove it"
      keep="Keep it"
      busy={isPending}
      onClose={onClose}
      onAct={(reason = '') => mutate({ queue, reason })}
    >
      <p className="dim">
        No lane group needs it any more.{' '}
        {messages === null || messages === 0
          ? 'It holds nothing.'
          : `Its ${counted(messages, 'message')} ${messages === 1 ? 'is' : 'are'} in the log, too: no event is lost.`}
      </p>
    </ReasonDialog>
  )
}
