import { Link } from '@tanstack/react-router'
import type { Answer, Input } from '../../api.ts'
import { count } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'

type Detail = Answer<'getReplay'>
type Item = Detail['items'][number]
export type Outcome = NonNullable<Input<'getReplay'>['outcome']>

/** What became of each event. Which ones are shown stands in the address. */
export function Items({ replay }: { readonly replay: Detail }) {
  const [, setAfter] = useSearchValue('after')
  return (
    <section className="card scrolls" tabIndex={0} aria-label="Each event">
      <header>
        <h2>Each event</h2>
        <Filter replay={replay} />
      </header>
      {replay.items.length === 0 ? (
        <p className="body dim">None of its events is so.</p>
      ) : (
        <table className="table dense">
          <thead>
            <tr>
              <th>Object</th>
              <th>Outcome</th>
              <th className="desk-only">New run</th>
              <th>What it failed with</th>
              <th className="num">Event</th>
            </tr>
          </thead>
          <tbody>
            {replay.items.map((item) => (
              <Row key={item.place} item={item} flow={replay.flow} />
            ))}
          </tbody>
        </table>
      )}
      {replay.next !== null && (
        <footer>
          <button type="button" className="btn s" onClick={() => setAfter(replay.next ?? undefined, true)}>
            Show the next ones
          </button>
        </footer>
      )}
    </section>
  )
}

function Filter({ replay: { total, counts } }: { readonly replay: Detail }) {
  const [chosen] = useSearchValue('outcome')
  const choices: readonly (readonly [Outcome | undefined, string, number])[] = [
    [undefined, 'All', total],
    ['succeeded', 'Succeeded', counts.succeeded],
    ['failed', 'Failed', counts.failed],
    ['fed', 'Running', counts.underWay - counts.held],
    ['held', 'Waiting', counts.held],
    ['left', 'Not begun', counts.left],
    ['open', 'Passed over', counts.passedOver],
  ]
  return (
    <nav className="seg" aria-label="Which events">
      {choices
        .filter(([outcome, , number]) => outcome === undefined || number > 0)
        .map(([outcome, word, number]) => (
          <Link key={word} to="." search={{ outcome }} aria-current={outcome === chosen ? 'true' : undefined}>
            {word} {count(number)}
          </Link>
        ))}
    </nav>
  )
}

function Row({ item, flow }: { readonly item: Item; readonly flow: string }) {
  const { seq, key, outcome, generation, state, message } = item
  return (
    <tr>
      <td>
        {key === null ? (
          <span className="faint">no key</span>
        ) : (
          <Link className="main-cell" to={`/objects/${encodeURIComponent(key)}`}>
            {key}
          </Link>
        )}
      </td>
      <td>
        <State kind="replayed" of={outcome} />
      </td>
      <td className="desk-only">
        {generation === null || state === null ? (
          <span className="faint">none yet</span>
        ) : (
          <Link to={`/runs/${flow}/${seq}/${generation}`}>
            <State of={state} />
          </Link>
        )}
      </td>
      <td className="dim reason">{message}</td>
      <td className="num">
        <Link className="link mono" to={`/events?seq=${seq}`}>
          {seq}
        </Link>
      </td>
    </tr>
  )
}
