import { Difference } from '../../parts/difference.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { useRows } from '../../parts/rows.ts'
import { Time } from '../../parts/time.tsx'
import type { Entry } from './index.tsx'

interface EntriesProps {
  readonly items: readonly Entry[]
  readonly next: string | null
  readonly onOlder: (next: string) => void
}

/** The entries; one opens to what it was before and after. */
export function Entries({ items, next, onOlder }: EntriesProps) {
  const [open, setOpen] = useSearchValue('entry')
  const toggle = ({ id }: Entry) => setOpen(open === String(id) ? undefined : String(id))
  const rows = useRows(items, { id: ({ id }) => String(id), open: toggle })
  return (
    <section className="card scrolls" aria-label="Acts" tabIndex={0}>
      <table className="table">
        <thead>
          <tr>
            <th className="num">No.</th>
            <th>When</th>
            <th>Who</th>
            <th>What</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {items.map((entry) => (
            <Row
              key={entry.id}
              entry={entry}
              isOpen={open === String(entry.id)}
              isCurrent={rows.isCurrent(entry)}
              onToggle={() => toggle(entry)}
            />
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

interface RowProps {
  readonly entry: Entry
  readonly isOpen: boolean
  readonly isCurrent: boolean
  readonly onToggle: () => void
}

function Row({ entry, isOpen, isCurrent, onToggle }: RowProps) {
  const { number, at, actor, verb, object, reason } = entry
  return (
    <>
      <tr aria-selected={isCurrent}>
        <td className="num">{number ?? 'none'}</td>
        <td className="nowrap">
          <Time at={at} />
        </td>
        <td>{actor}</td>
        <td>
          <button type="button" className="audit-open" aria-expanded={isOpen} onClick={onToggle}>
            {verb} {object}
          </button>
        </td>
        <td className="dim reason">{reason}</td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={5}>
            <Difference before={entry.before ?? {}} after={entry.after ?? {}} />
            <p className="small faint">
              {entry.hash === null
                ? 'This entry has no place in the chain.'
                : `Entry ${number}, sealed as ${entry.hash}`}
            </p>
          </td>
        </tr>
      )}
    </>
  )
}
