import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { call } from '../../api.ts'
import { Asked } from '../../parts/ask.tsx'
import { Time } from '../../parts/time.tsx'
import { Door, enter, Field, Refusal } from '../sign-in/door.tsx'

type Purpose = Answer<'lookAtLink'>

/** What a one-time link opens: the first admin chooses a name and a password, others a password. */
export function Page() {
  const [token] = useState(() => location.hash.slice(1))
  const purpose = useQuery({
    queryKey: ['one-time-link'],
    queryFn: () => call('lookAtLink', { token }),
    retry: false,
    refetchOnWindowFocus: false,
  })
  if (purpose.error)
    return (
      <Door title="This link is not good any more">
        <p>It was used already, or has run out. Ask an admin for a new one.</p>
        <a className="btn" href="/sign-in">
          Go to the sign-in
        </a>
      </Door>
    )
  return (
    <Door title={titleOf(purpose.data)}>
      <Asked query={purpose}>{(link) => <Form link={link} token={token} />}</Asked>
    </Door>
  )
}

function titleOf(link: Purpose | undefined): string {
  if (!link) return 'Welcome'
  if (link.kind === 'reset') return `A new password for ${link.name ?? ''}`
  return link.name === null ? 'You are the first admin' : `Welcome, ${link.name}`
}

const mays = {
  viewer: 'You will see everything.',
  operator: 'You will see everything, and act: retry, skip, pause, replay.',
  admin: 'You will see everything, act, and manage users and keys.',
} as const

function Form({ link, token }: { readonly link: Purpose; readonly token: string }) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const accept = useMutation({
    mutationFn: () => call('acceptLink', { token, password, ...(link.name === null && { name }) }),
    onSuccess: enter,
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (!accept.isPending) accept.mutate()
      }}
    >
      <p className="dim">
        {mays[link.role]} This link is good once, until <Time at={link.expiresAt} clock />.
      </p>
      {accept.error && <Refusal>{accept.error.message}.</Refusal>}
      {link.name === null && (
        <Field name="Your name" value={name} onChange={setName} autoComplete="username" focus />
      )}
      <Field
        name="Password"
        type="password"
        value={password}
        onChange={setPassword}
        autoComplete="new-password"
        hint="At least 12 characters. A sentence is easy to remember and hard to guess."
        focus={link.name !== null}
      />
      <button type="submit" className="btn primary" disabled={accept.isPending}>
        {accept.isPending ? 'Setting it …' : 'Set password and sign in'}
      </button>
    </form>
  )
}
