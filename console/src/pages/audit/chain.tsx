import { useQuery } from '@tanstack/react-query'
import type { Answer } from '../../api.ts'
import { call } from '../../api.ts'
import { count } from '../../parts/measure.tsx'
import { Sign } from '../../parts/sign.tsx'

type Verified = Answer<'verifyAudit'>

/** Whether the trail is as it was written, asked when the page is opened. */
export function Chain() {
  const verified = useQuery({ queryKey: ['audit-chain'], queryFn: verifyAll, staleTime: 60_000 })
  if (verified.isPending)
    return (
      <p className="note loading" role="status">
        <Sign name="run" />
        Verifying the chain …
      </p>
    )
  if (verified.error)
    return (
      <p className="note" data-tone="rest">
        <Sign name="ask" />
        The chain could not be verified now: {verified.error.message}
      </p>
    )
  const { broken, checked, head } = verified.data
  if (broken)
    return (
      <p className="note" data-tone="park" role="alert">
        <Sign name="park" />
        <span>
          <b>The audit trail was tampered with:</b> {broken.message}.
        </span>
      </p>
    )
  return (
    <p className="note" data-tone="ok">
      <Sign name="ok" />
      <span>
        {checked === 0
          ? 'There is nothing to verify yet.'
          : checked === 1
            ? 'The only entry is as it was written.'
            : `All ${count(checked)} entries are as they were written.`}
        {head && (
          <span className="audit-head">
            Head {head.number}:{head.hash}
          </span>
        )}
      </span>
    </p>
  )
}

async function verifyAll(): Promise<Pick<Verified, 'checked' | 'broken' | 'head'>> {
  let checked = 0
  let head: Verified['head'] = null
  for (let after: number | null = 0; after !== null;) {
    const stretch: Verified = await call('verifyAudit', { after })
    checked += stretch.checked
    head = stretch.head ?? head
    if (stretch.broken) return { checked, head, broken: stretch.broken }
    after = stretch.next
  }
  return { checked, head, broken: null }
}
