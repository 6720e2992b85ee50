import { Link, useNavigate } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { useMayNot } from '../../me.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, Progress } from '../../parts/measure.tsx'
import { Key, PageHead, useSearchValue } from '../../parts/page.tsx'
import { useRows } from '../../parts/rows.ts'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { useActs } from '../../shell/acts.ts'
import type { Replay } from '../replay/figures.ts'
import { eventsWord, progressWords, through } from '../replay/figures.ts'
import { NewReplay } from './new-replay.tsx'
import './replays.css'

const perPage = 50

/** All replays, and the form for a new one. */
export function Page() {
  const [isNew, setNew] = useSearchValue('new')
  const [before, setBefore] = useSearchValue('before')
  const page = useAsk('replays', 'listReplays', {
    limit: perPage,
    ...(before !== undefined && { before: Number(before) }),
  })
  const items = page.data?.items ?? []
  const begin = () => setNew('1', true)
  const mayPlan = useMayNot({ touches: 'chosen' }) === undefined
  useActs([{ name: 'New replay…', key: 'n', icon: Plus, touches: 'chosen', run: begin }])
  return (
    <>
      <PageHead
        title="Replays"
        touches="chosen"
        acts={
          <button type="button" className="btn primary" onClick={begin}>
            <Plus className="i" aria-hidden="true" />
            New replay… <Key>N</Key>
          </button>
        }
      >
        {headOf(items)}
      </PageHead>
      <Asked query={page}>
        {(answer) =>
          answer.items.length === 0 && before === undefined ? (
            <Nothing onBegin={begin} />
          ) : (
            <List items={answer.items} next={answer.next} onOlder={(next) => setBefore(next, true)} />
          )
        }
      </Asked>
      {isNew !== undefined && mayPlan && <NewReplay onClose={() => setNew(undefined)} />}
    </>
  )
}

function headOf(items: readonly Replay[]): string {
  const running = items.filter(({ state }) => state === 'running')
  const stopped = items.filter(({ state }) => state === 'stopped')
  const [one] = running
  const words = [
    ...(stopped.length > 0
      ? [
          `${stopped.length === 1 ? 'One has' : `${stopped.length} have`} stopped and ${stopped.length === 1 ? 'needs' : 'need'} a person.`,
        ]
      : []),
    ...(one
      ? [
          `Replay ${one.id} of ${one.flow} runs: ${count(through(one))} of ${eventsWord(one.total)} are through.`,
        ]
      : []),
    ...(running.length > 1 ? [`So do ${running.length - 1} more.`] : []),
  ]
  return words.length > 0
    ? words.join(' ')
    : 'Events of the past, run once more: after a wrong mapping, a restored system, or for a new one. None runs now.'
}

function Nothing({ onBegin }: { readonly onBegin: () => void }) {
  return (
    <div className="card">
      <Empty
        sign="undo"
        title="Nothing was replayed yet"
        act={
          <ActButton className="btn" touches="chosen" onClick={onBegin}>
            Plan the first replay…
          </ActButton>
        }
      >
        A replay runs events of the past once more. It is planned first: you see how many there are, and what
        would be sent beside what was. What has failed needs none: retry it.
      </Empty>
    </div>
  )
}

interface ListProps {
  readonly items: readonly Replay[]
  readonly next: string | null
  readonly onOlder: (next: string) => void
}

function List({ items, next, onOlder }: ListProps) {
  const navigate = useNavigate()
  const rows = useRows(items, {
    id: ({ id }) => String(id),
    open: ({ id }) => void navigate({ to: '/replays/$id', params: { id: String(id) } } as never),
  })
  return (
    <section className="card scrolls" aria-label="Replays" tabIndex={0}>
      <table className="table">
        <thead>
          <tr>
            <th>Replay</th>
            <th>State</th>
            <th className="wide">Through</th>
            <th className="desk-only">Keys</th>
            <th className="desk-only">Why</th>
            <th className="num">Planned</th>
          </tr>
        </thead>
        <tbody>
          {items.map((replay) => (
            <Row key={replay.id} replay={replay} isCurrent={rows.isCurrent(replay)} />
          ))}
        </tbody>
      </table>
      {next !== null && (
        <footer>
          <button type="button" className="btn s" onClick={() => onOlder(next)}>
            Show older ones
          </button>
        </footer>
      )}
    </section>
  )
}

function Row({ replay, isCurrent }: { readonly replay: Replay; readonly isCurrent: boolean }) {
  const { id, flow, state, keys, reason, createdAt, createdBy, total, counts } = replay
  return (
    <tr aria-selected={isCurrent}>
      <td>
        <Link className="main-cell" to={`/replays/${id}`}>
          {flow}
        </Link>
        <span className="under">
          Replay {id}, {eventsWord(total)}
        </span>
      </td>
      <td>
        <State kind="replay" of={state} />
      </td>
      <td className="wide">
        <Progress
          total={total}
          done={counts.succeeded + counts.ended + counts.passedOver}
          failed={counts.failed}
          running={counts.underWay}
          label={`Replay ${id}: ${progressWords(replay)}`}
        />
        <span className="under">{state === 'planned' ? 'nothing was sent yet' : progressWords(replay)}</span>
      </td>
      <td className="dim desk-only">{keys === 'same' ? 'the same' : 'new ones'}</td>
      <td className="dim reason desk-only">{reason}</td>
      <td className="num">
        <Time at={createdAt} />
        <span className="under">{createdBy}</span>
      </td>
    </tr>
  )
}
