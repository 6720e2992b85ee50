import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { Empty } from '../../parts/empty.tsx'
import { counted } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { Payload } from '../../parts/payload.tsx'
import { useRows } from '../../parts/rows.ts'
import { Time } from '../../parts/time.tsx'
import { useKeys } from '../../keyboard.ts'
import { sizeOf } from './event-list.tsx'

type Refused = Answer<'listRefused'>['items'][number]

const perPage = 50

/** What the door refused and why; its sender was told the same. */
export function RefusedList() {
  const [before, setBefore] = useSearchValue('before')
  const [chosen, choose] = useSearchValue('refused')
  const query = useAsk('events', 'listRefused', {
    limit: perPage,
    ...(before !== undefined && { before: Number(before) }),
  })
  const items = query.data?.items ?? []
  const rows = useRows<Refused>(items, {
    id: ({ id }) => String(id),
    open: ({ id }) => choose(String(id), true),
  })
  const one = items.find(({ id }) => String(id) === chosen)
  return (
    <Asked query={query}>
      {({ next }) =>
        items.length === 0 ? (
          <div className="card">
            <Empty title="Nothing was refused" sign="ok" tone="ok">
              What does not pass its contract, is not signed, or comes without a key is refused, its sender is
              told why, and it stands here.
            </Empty>
          </div>
        ) : (
          <div className="cols">
            <section
              className={`card scrolls ${one ? 'c8' : 'c12'}`}
              aria-label="Refused intake"
              tabIndex={0}
            >
              <table className="table">
                <thead>
                  <tr>
                    <th>When</th>
                    <th>Why</th>
                    <th className="desk-only">Type</th>
                    <th>At</th>
                    <th className="num">Times</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((item) => (
                    <tr key={item.id} aria-selected={item === one || rows.isCurrent(item)}>
                      <td className="faint nowrap">
                        <Time at={item.at} />
                      </td>
                      <td className="reason">
                        <button
                          type="button"
                          className="main-cell as-text"
                          onClick={() => choose(String(item.id), true)}
                        >
                          {item.why}
                        </button>
                        <span className="under mono">{item.code}</span>
                      </td>
                      <td className="desk-only dim">{item.type}</td>
                      <td className="dim">{item.door}</td>
                      <td className="num">{item.times}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {(next !== null || before !== undefined) && (
                <footer className="row">
                  {before !== undefined && (
                    <button type="button" className="btn s" onClick={() => setBefore(undefined)}>
                      Show the newest
                    </button>
                  )}
                  {next !== null && (
                    <button type="button" className="btn s" onClick={() => setBefore(next, true)}>
                      Show older ones
                    </button>
                  )}
                </footer>
              )}
            </section>
            {one && <RefusedPanel item={one} onClose={() => choose(undefined)} />}
          </div>
        )
      }
    </Asked>
  )
}

function RefusedPanel({ item, onClose }: { readonly item: Refused; readonly onClose: () => void }) {
  useKeys({ Escape: onClose, u: onClose })
  const { why, code, faults, door, source, type, eventId, bytes, sample, times, at } = item
  return (
    <div className="c4 side-panel">
      <Card
        flush
        title={type ?? code}
        aside={
          <button type="button" className="btn s ghost" onClick={onClose}>
            Close
          </button>
        }
      >
        <div className="body ruled">
          <p>{why}</p>
          {faults.length > 0 && (
            <ul className="faults">
              {faults.map(({ pointer, message }) => (
                <li key={`${pointer} ${message}`}>
                  <span className="mono">{pointer || 'the event'}</span> {message}
                </li>
              ))}
            </ul>
          )}
        </div>
        <div className="body ruled">
          <Facts
            of={[
              ['Refused', <Time key="at" at={at} />],
              [
                'Code',
                <span key="code" className="mono">
                  {code}
                </span>,
              ],
              ['At', door],
              ...(source === null ? [] : ([['Source', source]] as const)),
              ...(eventId === null ? [] : ([['Id', eventId]] as const)),
              ...(times > 1 ? ([['Repeated', counted(times, 'time')]] as const) : []),
            ]}
          />
        </div>
        <div className="pair one">
          <div>
            <h3>What was sent, {sizeOf(bytes)}</h3>
            <Payload value={readable(sample)} />
          </div>
        </div>
      </Card>
    </div>
  )
}

/** JSON with its structure where it is whole; otherwise as it came. */
function readable(sample: string): unknown {
  if (sample === '') return 'nothing'
  try {
    return JSON.parse(sample) as unknown
  } catch {
    return sample
  }
}
