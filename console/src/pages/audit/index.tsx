import { Download } from 'lucide-react'
import { useState } from 'react'
import type { Answer, Input } from '../../api.ts'
import { call } from '../../api.ts'
import { useMayNot } from '../../me.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { toast } from '../../parts/toast.tsx'
import { Chain } from './chain.tsx'
import { Entries } from './entries.tsx'
import { Filters } from './filters.tsx'
import './audit.css'

export type Entry = Answer<'listAudit'>['items'][number]
type Query = NonNullable<Input<'listAudit'>>

const perPage = 50

/** Who did what, when, why; what it was before and after; and whether the trail is as it was written. */
export function Page() {
  const [before, setBefore] = useSearchValue('before')
  const filter = useFilter()
  const page = useAsk('audit', 'listAudit', {
    ...filter,
    limit: perPage,
    ...(before !== undefined && { before: Number(before) }),
  })
  const mayVerify = useMayNot({ needs: 'admin' }) === undefined
  const isFiltered = Object.keys(filter).length > 0
  return (
    <>
      <PageHead title="Audit" needs="read" acts={<Export filter={filter} />}>
        Every act of a person, a key or the command line. Entries cannot be changed or removed, and each one
        seals those before it.
      </PageHead>
      <div className="stack">
        {mayVerify && <Chain />}
        <Filters />
        <Asked query={page}>
          {({ items, next }) =>
            items.length === 0 ? (
              <div className="card">
                <Empty title={isFiltered ? 'No act matches' : 'Nobody has acted yet'}>
                  {isFiltered
                    ? 'Names must be whole: user:ada, retry, run order-to-cash/42.'
                    : 'Retries, pauses, replays and sign-ins will stand here, with who and why.'}
                </Empty>
              </div>
            ) : (
              <Entries items={items} next={next} onOlder={(older) => setBefore(older, true)} />
            )
          }
        </Asked>
      </div>
    </>
  )
}

function useFilter(): Query {
  const [actor] = useSearchValue('actor')
  const [verb] = useSearchValue('verb')
  const [object] = useSearchValue('object')
  const given = { actor, verb, object }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const mostExported = 10_000

/** As JSON lines, newest first: what the filter finds, at most 10,000. */
function Export({ filter }: { readonly filter: Query }) {
  const [isBusy, setBusy] = useState(false)
  const run = async () => {
    setBusy(true)
    try {
      save(await everyEntry(filter))
    } catch (error) {
      toast({
        tone: 'park',
        title: 'Nothing was exported',
        text: error instanceof Error ? error.message : '',
      })
    }
    setBusy(false)
  }
  return (
    <button type="button" className="btn" onClick={() => void run()} disabled={isBusy}>
      <Download className="i" aria-hidden="true" />
      {isBusy ? 'Exporting …' : 'Export these entries'}
    </button>
  )
}

async function everyEntry(filter: Query): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let next: string | null = ''; next !== null && entries.length < mostExported;) {
    const page: Answer<'listAudit'> = await call('listAudit', {
      ...filter,
      limit: 200,
      ...(next !== '' && { before: Number(next) }),
    })
    entries.push(...page.items)
    next = page.next
  }
  return entries
}

function save(entries: readonly Entry[]): void {
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`)
  const url = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: 'busbar-audit.ndjson' })
  link.click()
  URL.revokeObjectURL(url)
}
