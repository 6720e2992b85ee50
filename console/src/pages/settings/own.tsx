import { useState } from 'react'
import { useMe } from '../../me.ts'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'

/** One's own sessions and password. */
export function Own() {
  const me = useMe()
  return (
    <div className="stack">
      <Sessions />
      {me?.hasPassword && <Password />}
    </div>
  )
}

function Sessions() {
  const sessions = useAsk('sessions', 'listSessions')
  const end = useAct('endSession', { done: () => toast({ tone: 'ok', title: 'That session has ended' }) })
  const endAll = useAct('endSessions', { done: () => location.assign('/sign-in') })
  return (
    <section className="card scrolls" aria-label="Where you are signed in" tabIndex={0}>
      <header>
        <h2>Where you are signed in</h2>
        <button type="button" className="btn s" onClick={() => endAll.mutate({})}>
          Sign out everywhere
        </button>
      </header>
      <Asked query={sessions}>
        {({ items }) => (
          <table className="table">
            <thead>
              <tr>
                <th>Browser</th>
                <th>Address</th>
                <th className="num">Used</th>
                <th className="num">Ends</th>
                <th>
                  <span className="sr">Acts</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ id, agent, address, seenAt, expiresAt, current }) => (
                <tr key={id}>
                  <td className="reason">{agent === '' ? 'unknown' : agent}</td>
                  <td>{address}</td>
                  <td className="num">{current ? 'here' : <Time at={seenAt} />}</td>
                  <td className="num">
                    <Time at={expiresAt} clock />
                  </td>
                  <td className="num">
                    {!current && (
                      <button type="button" className="btn s" onClick={() => end.mutate({ id })}>
                        End this session
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Asked>
    </section>
  )
}

function Password() {
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const change = useAct('changePassword', {
    done() {
      setCurrent('')
      setPassword('')
      toast({ tone: 'ok', title: 'Your password is changed', text: 'All your other sessions have ended.' })
    },
  })
  return (
    <Card title="Your password">
      <form
        className="settings-form"
        onSubmit={(event) => {
          event.preventDefault()
          change.mutate({ current, password })
        }}
      >
        <label className="field">
          <span>Present password</span>
          <input
            className="input"
            type="password"
            required
            autoComplete="current-password"
            value={current}
            onChange={({ target }) => setCurrent(target.value)}
          />
        </label>
        <label className="field">
          <span>New password</span>
          <input
            className="input"
            type="password"
            required
            minLength={12}
            autoComplete="new-password"
            value={password}
            onChange={({ target }) => setPassword(target.value)}
          />
          <small>At least 12 characters. Your other sessions end.</small>
        </label>
        <div className="row">
          <button type="submit" className="btn primary" disabled={change.isPending}>
            Change the password
          </button>
        </div>
      </form>
    </Card>
  )
}
