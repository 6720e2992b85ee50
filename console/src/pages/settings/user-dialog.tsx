import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { useAct, useAsk } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { toast } from '../../parts/toast.tsx'
import type { User } from './users.tsx'

const roles = {
  viewer: 'Viewer: sees everything',
  operator: 'Operator: also acts',
  admin: 'Admin: also manages users and keys',
} as const
type Role = keyof typeof roles

interface UserDialogProps {
  /** Undefined: a new one. */
  readonly user: User | undefined
  readonly onClose: () => void
  readonly onLink: (link: Answer<'linkForUser'>) => void
}

/** Invites a user, or gives one another role or other systems. */
export function UserDialog({ user, onClose, onLink }: UserDialogProps) {
  const [name, setName] = useState(user?.name ?? '')
  const [role, setRole] = useState<Role>(user?.role ?? 'viewer')
  const [systems, setSystems] = useState<readonly string[]>(user?.systems ?? [])
  const invite = useAct('inviteUser', {
    done(link) {
      onLink(link)
      onClose()
    },
  })
  const change = useAct('changeUser', {
    done(changed) {
      toast({ tone: 'ok', title: `${changed.name} is ${changed.role} now` })
      onClose()
    },
  })
  const limit = role === 'operator' && systems.length > 0 ? [...systems] : null
  const submit = () =>
    user
      ? change.mutate({ name: user.name, role, systems: limit })
      : invite.mutate({ name, role, systems: limit })
  const words = user ? `Change ${user.name}` : 'Invite the user'
  return (
    <Dialog
      open
      onClose={onClose}
      onSubmit={submit}
      title={user ? `What may ${user.name} do?` : 'Who may come in, and what for?'}
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            {user ? 'Keep it as it is' : 'Invite nobody'} <kbd aria-hidden="true">Esc</kbd>
          </button>
          <button type="submit" className="btn primary" disabled={invite.isPending || change.isPending}>
            {words} <kbd aria-hidden="true">Ctrl Enter</kbd>
          </button>
        </>
      }
    >
      {!user && (
        <label className="field">
          <span>Name</span>
          <input
            className="input"
            required
            maxLength={80}
            value={name}
            onChange={({ target }) => setName(target.value)}
          />
          <small>As it is to stand in the audit trail. Names are never given twice.</small>
        </label>
      )}
      <label className="field">
        <span>Role</span>
        <select className="input" value={role} onChange={({ target }) => setRole(target.value as Role)}>
          {Object.entries(roles).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
        {user && <small>Another role ends the sessions of {user.name}.</small>}
      </label>
      {role === 'operator' && <SystemChoice chosen={systems} onChange={setSystems} />}
    </Dialog>
  )
}

function SystemChoice({
  chosen,
  onChange,
}: {
  readonly chosen: readonly string[]
  readonly onChange: (systems: readonly string[]) => void
}) {
  const systems = useAsk('systems', 'listSystems')
  return (
    <fieldset className="field">
      <legend>May act on</legend>
      {systems.data?.items.map(({ name }) => (
        <label key={name} className="check">
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={({ target }) =>
              onChange(target.checked ? [...chosen, name] : chosen.filter((each) => each !== name))
            }
          />
          {name}
        </label>
      ))}
      <small>
        {chosen.length === 0
          ? 'None chosen: the operator may act on everything.'
          : 'Sees everything, acts on these alone.'}
      </small>
    </fieldset>
  )
}
