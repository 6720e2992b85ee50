import { UserPlus } from 'lucide-react'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Empty } from '../../parts/empty.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'
import { Secret } from './secret.tsx'
import { UserDialog } from './user-dialog.tsx'

export type User = Answer<'listUsers'>['items'][number]
type OneTimeLink = Answer<'linkForUser'>

/** Who may sign in; invite, change, disable. */
export function Users() {
  const [after, setAfter] = useSearchValue('after')
  const [edited, setEdited] = useState<User | 'new'>()
  const [link, setLink] = useState<OneTimeLink>()
  const page = useAsk('users', 'listUsers', { limit: 50, ...(after !== undefined && { after }) })
  return (
    <section className="card scrolls" aria-label="Users" tabIndex={0}>
      <header>
        <h2>Who may sign in</h2>
        <button type="button" className="btn primary s" onClick={() => setEdited('new')}>
          <UserPlus className="i" aria-hidden="true" />
          Invite a user…
        </button>
      </header>
      <Asked query={page}>
        {({ items, next }) =>
          items.length === 0 ? (
            <Empty title="Nobody can sign in yet">Invite the first user: the link is good once.</Empty>
          ) : (
            <>
              <Table users={items} onEdit={setEdited} onLink={setLink} />
              {next !== null && (
                <footer>
                  <button type="button" className="btn s" onClick={() => setAfter(next, true)}>
                    Show more
                  </button>
                </footer>
              )}
            </>
          )
        }
      </Asked>
      {edited !== undefined && (
        <UserDialog
          user={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onLink={setLink}
        />
      )}
      {link && (
        <Secret
          title={`A link for ${link.name}`}
          words={`Send it to ${link.name}: whoever opens it first sets the password. It is good once, for three days, and is not shown again.`}
          text={link.url}
          onClose={() => setLink(undefined)}
        />
      )}
    </section>
  )
}

interface TableProps {
  readonly users: readonly User[]
  readonly onEdit: (user: User) => void
  readonly onLink: (link: OneTimeLink) => void
}

function Table({ users, onEdit, onLink }: TableProps) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Name</th>
          <th>Role</th>
          <th>May act on</th>
          <th>State</th>
          <th className="num">Last signed in</th>
          <th>
            <span className="sr">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <tr key={user.name}>
            <td className="main-cell">{user.name}</td>
            <td>{user.role}</td>
            <td className="dim">
              {user.role === 'viewer' ? 'nothing' : (user.systems?.join(', ') ?? 'everything')}
            </td>
            <td>{stateWords(user)}</td>
            <td className="num">{user.signedInAt === null ? 'never' : <Time at={user.signedInAt} />}</td>
            <td>
              <RowActs user={user} onEdit={() => onEdit(user)} onLink={onLink} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function stateWords({ state, linkUntil, signsInBy }: User) {
  if (state === 'disabled') return 'Disabled'
  if (linkUntil !== null)
    return (
      <>
        {state === 'invited' ? 'Invited' : 'New password'} until <Time at={linkUntil} clock />
      </>
    )
  return state === 'invited' ? 'Invited; the link has run out' : `Signs in by ${signsInBy ?? ''}`
}

function RowActs({
  user,
  onEdit,
  onLink,
}: {
  readonly user: User
  readonly onEdit: () => void
  readonly onLink: (link: OneTimeLink) => void
}) {
  const link = useAct('linkForUser', { done: onLink })
  const [asks, setAsks] = useState(false)
  const change = useAct('changeUser', {
    done: ({ name, state }) =>
      toast({
        tone: 'ok',
        title: state === 'disabled' ? `${name} is disabled` : `${name} may sign in again`,
      }),
  })
  const isOff = user.state === 'disabled'
  return (
    <span className="row">
      <button type="button" className="btn s" onClick={onEdit} disabled={isOff}>
        Change {user.name}…
      </button>
      {user.signsInBy !== 'single sign-on' && (
        <button
          type="button"
          className="btn s"
          onClick={() => link.mutate({ name: user.name })}
          disabled={isOff}
        >
          New link
        </button>
      )}
      <button
        type="button"
        className="btn s"
        onClick={() => (isOff ? change.mutate({ name: user.name, disabled: false }) : setAsks(true))}
      >
        {isOff ? 'Enable' : 'Disable…'}
      </button>
      {asks && (
        <Dialog
          open
          onClose={() => setAsks(false)}
          onSubmit={() => {
            change.mutate({ name: user.name, disabled: true })
            setAsks(false)
          }}
          title={`Disable ${user.name}?`}
          footer={
            <>
              <button type="button" className="btn" onClick={() => setAsks(false)}>
                Keep {user.name}
              </button>
              <button type="submit" className="btn danger">
                Disable {user.name}
              </button>
            </>
          }
        >
          <p>
            All sessions and links of {user.name} end now. What {user.name} has done stays in the audit trail;
            the user can be enabled again.
          </p>
        </Dialog>
      )}
    </span>
  )
}
