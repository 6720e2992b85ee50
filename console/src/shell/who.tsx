import { LogOut, User } from 'lucide-react'
import { call } from '../api.ts'
import { useMe } from '../me.ts'

/** Who is here, as what, and the way out. */
export function Who() {
  const me = useMe()
  const isLocal = me?.kind === 'local'
  return (
    <>
      <div className="who">
        <span className="avatar">
          <User className="i" aria-hidden="true" />
        </span>
        <span className="grow">{isLocal ? 'You, on this machine' : (me?.name ?? '…')}</span>
        {me?.kind === 'user' && (
          <button
            type="button"
            className="btn s ghost icon"
            aria-label="Sign out"
            title="Sign out"
            onClick={() => void signOut()}
          >
            <LogOut className="i" aria-hidden="true" />
          </button>
        )}
      </div>
      <span>{isLocal ? 'No sign-in is asked for' : me && roleWords(me)}</span>
    </>
  )
}

function roleWords({
  role,
  systems,
}: {
  readonly role: string | null
  readonly systems: readonly string[] | null
}) {
  const name = role === null ? '' : role.charAt(0).toUpperCase() + role.slice(1)
  return systems ? `${name} of ${systems.join(', ')}` : name
}

async function signOut(): Promise<void> {
  await call('signOut')
  location.assign('/sign-in')
}
