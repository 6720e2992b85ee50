import { Link } from '@tanstack/react-router'
import { Card } from '../../parts/card.tsx'
import { count } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { duration, Time } from '../../parts/time.tsx'
import type { Bulk } from './index.tsx'

type Item = Bulk['items'][number]

/** What became of each run, those that were begun last first. */
export function Items({ act }: { readonly act: Bulk }) {
  const [after, setAfter] = useSearchValue('after')
  return (
    <Card
      title="Each run"
      aside={<Kinds act={act} />}
      className="scrolls-x"
      flush
      footer={
        (after !== undefined || act.next !== null) && (
          <>
            {after !== undefined && (
              <button type="button" className="btn s" onClick={() => setAfter(undefined, true)}>
                First page
              </button>
            )}
            {act.next !== null && (
              <button type="button" className="btn s" onClick={() => setAfter(act.next ?? undefined, true)}>
                Next page
              </button>
            )}
          </>
        )
      }
    >
      {act.items.length === 0 ? (
        <p className="body dim">
          {act.state === 'planned' ? 'Nothing is begun before somebody starts it.' : 'None is like that.'}
        </p>
      ) : (
        <table className="table dense">
          <thead>
            <tr>
              <th>Object</th>
              <th>State</th>
              <th>Outcome</th>
              <th className="num">Took</th>
              <th className="num">At</th>
            </tr>
          </thead>
          <tbody>
            {act.items.map((item) => (
              <ItemRow key={item.place} item={item} />
            ))}
          </tbody>
        </table>
      )}
    </Card>
  )
}

const done = { retry: 'succeeded', skip: 'skipped', compensate: 'compensated' } as const

function Kinds({ act: { verb, total, counts } }: { readonly act: Bulk }) {
  const [outcome] = useSearchValue('outcome')
  const kinds = [
    [undefined, 'All', total - counts.left],
    [done[verb], { retry: 'Succeeded', skip: 'Skipped', compensate: 'Compensated' }[verb], counts.succeeded],
    ['failed', 'Failed', counts.failed],
    ['begun', 'Running', counts.underWay],
    ['moved', 'Left alone', counts.moved],
    ['left', 'Not begun', counts.left],
  ] as const
  return (
    <span className="seg">
      {kinds
        .filter(([word, , many]) => many > 0 || word === undefined || word === outcome)
        .map(([word, name, many]) => (
          <Link
            key={name}
            to="."
            search={(before: Record<string, unknown>) => ({ ...before, outcome: word, after: undefined })}
            replace
            {...(word === outcome && { 'aria-current': true as const })}
            activeProps={{}}
          >
            {name} {count(many)}
          </Link>
        ))}
    </span>
  )
}

const looks: Readonly<Record<Item['outcome'], string>> = {
  left: 'pending',
  begun: 'running',
  held: 'waiting',
  succeeded: 'succeeded',
  skipped: 'skipped',
  compensated: 'compensated',
  failed: 'parked',
  moved: 'skipped',
  unfit: 'skipped',
  gone: 'skipped',
}

function ItemRow({ item }: { readonly item: Item }) {
  const { key, outcome, state, behind, ms, begunAt, endedAt } = item
  const path = pathOf(item)
  const at = endedAt ?? begunAt
  return (
    <tr>
      <td>
        <Link
          className="main-cell"
          to={key === null ? `/runs/${path}` : `/objects/${encodeURIComponent(key)}`}
        >
          {key ?? path}
        </Link>
      </td>
      <td>
        <State
          of={outcome === 'failed' && state !== null ? state : behind === null ? looks[outcome] : 'waiting'}
        >
          {outcome === 'left'
            ? 'Not begun'
            : outcome === 'moved' || outcome === 'unfit'
              ? 'Left alone'
              : undefined}
        </State>
      </td>
      <td className="dim">
        <Outcome item={item} path={path} />
      </td>
      <td className="num dim">
        {ms !== null && outcome !== 'left' && outcome !== 'begun' ? duration(ms) : ''}
      </td>
      <td className="num mono faint">{at !== null && <Time at={at} seconds />}</td>
    </tr>
  )
}

function BehindRun({ run }: { readonly run: NonNullable<Item['behind']> }) {
  const path = pathOf(run)
  return (
    <>
      waits behind{' '}
      <Link className="link" to={`/runs/${path}`}>
        {path}
      </Link>
      , {run.state}
    </>
  )
}

function pathOf({ flow, seq, generation }: Pick<Item, 'flow' | 'seq' | 'generation'>): string {
  return generation === 0 ? `${flow}/${seq}` : `${flow}/${seq}/${generation}`
}

function Outcome({ item, path }: { readonly item: Item; readonly path: string }) {
  const { outcome, state, message, behind, problem } = item
  if (behind !== null) return <BehindRun run={behind} />
  if (outcome === 'failed')
    return (
      <>
        {state === 'succeeded' ? 'failed, has succeeded since' : (message ?? 'failed again')}
        {problem !== null && (
          <>
            {' '}
            <Link className="link" to={`/problems/${encodeURIComponent(problem)}`}>
              problem
            </Link>
          </>
        )}
      </>
    )
  const words = {
    left: 'stays as it is until its stage',
    begun: 'is tried now',
    held: message ?? 'waits for something else',
    succeeded: '',
    skipped: message ?? '',
    compensated: 'what it had done is undone',
    moved: `somebody else had acted on it${state === null ? '' : `: it is ${state}`}`,
    unfit: 'it has nothing to undo',
    gone: 'it is no longer kept',
  }[outcome]
  return (
    <>
      {words}
      {words === '' && (
        <Link className="link" to={`/runs/${path}`}>
          {path}
        </Link>
      )}
    </>
  )
}
