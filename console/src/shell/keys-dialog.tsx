import { Dialog } from '../parts/dialog.tsx'
import { places } from './places.ts'

const inLists = [
  ['Next, previous', 'J K'],
  ['Open', 'Enter'],
  ['Filter', '/'],
  ['Back to the list', 'U'],
] as const
const acts = [
  ['Find or act', 'Ctrl K'],
  ['Acknowledge', 'A'],
  ['Retry', 'R'],
  ['Edit and retry', 'E'],
  ['Supply result', 'S'],
  ['Test the connection', 'T'],
  ['Ignore until', 'I'],
  ['Pause, resume', 'P'],
  ['Send', 'Ctrl Enter'],
  ['This list', '?'],
] as const

/** All keys. */
export function KeysDialog({ open, onClose }: { readonly open: boolean; readonly onClose: () => void }) {
  const goTo = places.flat().map(({ name, letter }) => [name, `G ${letter.toUpperCase()}`] as const)
  return (
    <Dialog
      wide
      open={open}
      onClose={onClose}
      title="Keyboard shortcuts"
      footer={
        <button type="button" className="btn" onClick={onClose}>
          Close <kbd aria-hidden="true">Esc</kbd>
        </button>
      }
    >
      <div className="keys">
        <Keys title="Go to" of={goTo} />
        <Keys title="In a list" of={inLists} />
        <Keys title="Act" of={acts} />
      </div>
    </Dialog>
  )
}

function Keys({
  title,
  of,
}: {
  readonly title: string
  readonly of: readonly (readonly [string, string])[]
}) {
  return (
    <div>
      <h3>{title}</h3>
      <ul>
        {of.map(([name, keys]) => (
          <li key={name}>
            <span className="dim">{name}</span>
            <span className="row">
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}
