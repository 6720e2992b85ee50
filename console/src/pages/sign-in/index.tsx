import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { keepBack } from '../../back.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Door, enter, Field, Refusal } from './door.tsx'

/** What single sign-on has come back with instead of a person. */
const oidcFaults: Readonly<Record<string, string>> = {
  'no-role': 'Your account is known, but it has no role here. Ask an admin which group it needs.',
  'name-taken': 'A user of your name exists already, with a password. Ask an admin.',
  disabled: 'This user is disabled.',
  failed: 'The sign-in at the provider was not completed. Try once more.',
  away: 'The provider of single sign-on does not answer. Try again in a minute; if it stays so, tell an admin. Who has a password can come in with it.',
  wait: 'Too many sign-ins were begun from your address. Wait a minute, then try again.',
  'not-set-up':
    'Single sign-on is not set up as it should be. Tell an admin: the log of busbar says what is missing.',
}

/** Sign in with name and password, or by single sign-on. */
export function Page() {
  const options = useAsk('sign-in', 'signInOptions')
  return (
    <Door title="Sign in" foot="Lost your password? An admin can give you a link for a new one.">
      <Asked query={options}>
        {({ needed, firstAdmin, oidc }) =>
          !needed ? (
            <>
              <p>This busbar asks nobody to sign in.</p>
              <a className="btn primary" href="/">
                Go to Now
              </a>
            </>
          ) : (
            <>
              {firstAdmin && (
                <p className="dim">
                  Nobody can sign in yet. The first admin comes by the link that busbar printed at its start.
                </p>
              )}
              <OidcFault />
              {oidc && (
                <>
                  <a className="btn" href={oidc.path} onClick={keepBack}>
                    Sign in with {oidc.label}
                  </a>
                  <span className="or">or</span>
                </>
              )}
              <PasswordForm />
            </>
          )
        }
      </Asked>
    </Door>
  )
}

function OidcFault() {
  const fault = new URLSearchParams(location.search).get('fault')
  const words = fault === null ? undefined : oidcFaults[fault]
  return words ? <Refusal>{words}</Refusal> : undefined
}

function PasswordForm() {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const signIn = useMutation({ mutationFn: () => call('signIn', { name, password }), onSuccess: enter })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (!signIn.isPending) signIn.mutate()
      }}
    >
      {signIn.error && <Refusal>{sentence(signIn.error.message)}</Refusal>}
      <Field name="Name" value={name} onChange={setName} autoComplete="username" focus />
      <Field
        name="Password"
        type="password"
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
      />
      <button type="submit" className="btn primary" disabled={signIn.isPending}>
        {signIn.isPending ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  )
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}
