import { KeyRound } from 'lucide-react'
import { useState } from 'react'
import type { Answer, Input } from '../../api.ts'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Time } from '../../parts/time.tsx'
import { Secret } from './secret.tsx'

type ApiKey = Answer<'listKeys'>['items'][number]
type Scope = Input<'createKey'>['scopes'][number]

const scopes: readonly (readonly [Scope, string])[] = [
  ['publish', 'publish: send events in'],
  ['read', 'read: look at everything'],
  ['operate', 'operate: also act'],
  ['admin', 'admin: also manage users and keys'],
]

/** What programs come in with. */
export function Keys() {
  const keys = useAsk('keys', 'listKeys')
  const [isNew, setNew] = useState(false)
  const [made, setMade] = useState<Answer<'createKey'>>()
  return (
    <section className="card scrolls" aria-label="API keys" tabIndex={0}>
      <header>
        <h2>What programs come in with</h2>
        <button type="button" className="btn primary s" onClick={() => setNew(true)}>
          <KeyRound className="i" aria-hidden="true" />
          Make a key…
        </button>
      </header>
      <Asked query={keys}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="There is no key yet">
              Each program should have its own, with no more rights than it needs.
            </Empty>
          ) : (
            <Table keys={items} />
          )
        }
      </Asked>
      {isNew && <NewKey onClose={() => setNew(false)} onMade={setMade} />}
      {made && (
        <Secret
          title={`The key ${made.name}`}
          words="Keep it now: it is not shown again. It goes as Authorization: Bearer, or as BUSBAR_KEY for the command line."
          text={made.key}
          onClose={() => setMade(undefined)}
        />
      )}
    </section>
  )
}

function Table({ keys }: { readonly keys: readonly ApiKey[] }) {
  const [asked, setAsked] = useState<string>()
  const revoke = useAct('revokeKey', { done: () => setAsked(undefined) })
  return (
    <>
      <table className="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>May</th>
            <th className="num">Made</th>
            <th className="num">State</th>
          </tr>
        </thead>
        <tbody>
          {keys.map(({ id, name, scopes: mays, createdAt, revokedAt }) => (
            <tr key={id}>
              <td className="main-cell">{name}</td>
              <td className="dim">{mays.join(', ')}</td>
              <td className="num">
                <Time at={createdAt} />
              </td>
              <td className="num">
                {revokedAt === null ? (
                  <button type="button" className="btn s" onClick={() => setAsked(name)}>
                    Revoke {name}…
                  </button>
                ) : (
                  <>
                    Revoked <Time at={revokedAt} />
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {asked !== undefined && (
        <Dialog
          open
          onClose={() => setAsked(undefined)}
          onSubmit={() => revoke.mutate({ name: asked })}
          title={`Revoke ${asked}?`}
          footer={
            <>
              <button type="button" className="btn" onClick={() => setAsked(undefined)}>
                Keep {asked}
              </button>
              <button type="submit" className="btn danger" disabled={revoke.isPending}>
                Revoke {asked}
              </button>
            </>
          }
        >
          <p>Programs that use it are refused within 5 s, for good. The name is not given a second time.</p>
        </Dialog>
      )}
    </>
  )
}

function NewKey({
  onClose,
  onMade,
}: {
  readonly onClose: () => void
  readonly onMade: (key: Answer<'createKey'>) => void
}) {
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState<readonly Scope[]>(['publish'])
  const create = useAct('createKey', {
    done(key) {
      onMade(key)
      onClose()
    },
  })
  return (
    <Dialog
      open
      onClose={onClose}
      onSubmit={() => create.mutate({ name, scopes: [...chosen] })}
      title="What is the key for?"
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Make none <kbd aria-hidden="true">Esc</kbd>
          </button>
          <button type="submit" className="btn primary" disabled={create.isPending || chosen.length === 0}>
            Make the key <kbd aria-hidden="true">Ctrl Enter</kbd>
          </button>
        </>
      }
    >
      <label className="field">
        <span>Name</span>
        <input
          className="input"
          required
          maxLength={80}
          value={name}
          onChange={({ target }) => setName(target.value)}
        />
        <small>Of the program that uses it; it stands in the audit trail.</small>
      </label>
      <fieldset className="field">
        <legend>It may</legend>
        {scopes.map(([scope, words]) => (
          <label key={scope} className="check">
            <input
              type="checkbox"
              checked={chosen.includes(scope)}
              onChange={({ target }) =>
                setChosen(target.checked ? [...chosen, scope] : chosen.filter((each) => each !== scope))
              }
            />
            {words}
          </label>
        ))}
      </fieldset>
    </Dialog>
  )
}
