import { Link } from '@tanstack/react-router'
import { User } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { Card } from '../../parts/card.tsx'
import { Time } from '../../parts/time.tsx'

type Act = Answer<'now'>['lately'][number]

const past: Readonly<Record<string, string>> = {
  retry: 'retried',
  skip: 'skipped',
  pause: 'paused',
  resume: 'resumed',
  test: 'tested',
  maintain: 'set maintenance of',
  'end maintenance': 'ended maintenance of',
  compensate: 'compensated',
  edit: 'edited',
  acknowledge: 'took',
  ignore: 'ignored',
  reopen: 'reopened',
  create: 'made',
  revoke: 'revoked',
  plan: 'planned',
  start: 'started',
  cancel: 'cancelled',
  change: 'changed',
  'sign in': 'signed in as',
  'fail to sign in': 'failed to sign in as',
}

/** Who did what. */
export function Lately({ acts }: { readonly acts: readonly Act[] }) {
  return (
    <Card
      title="Lately"
      flush
      aside={
        <Link to="/audit" className="link small dim">
          Audit
        </Link>
      }
    >
      {acts.length === 0 && (
        <p className="none">Nobody has acted yet. Every act stands here and in the audit.</p>
      )}
      <ol className="lately">
        {acts.map(({ id, at, actor, verb, object, reason }) => (
          <li key={id}>
            <Time at={at} clock />
            <span className="avatar">
              <User className="i" aria-hidden="true" />
            </span>
            <span>
              <b>{actor}</b> {past[verb] ?? verb} {object}
              {reason && `: “${reason}”`}
            </span>
          </li>
        ))}
      </ol>
    </Card>
  )
}
