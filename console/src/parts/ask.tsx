import type { UseQueryResult } from '@tanstack/react-query'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { RouteId } from '../../../src/control/route-table.ts'
import type { Answer, Input } from '../api.ts'
import { ApiError, call } from '../api.ts'
import { Empty } from './empty.tsx'
import { toast } from './toast.tsx'

/**
 * Asks the control API and keeps the answer; it is asked again when busbar says that `topic` has changed.
 *
 * @example const problems = useAsk('problems', 'listProblems', { state: 'unresolved' })
 */
export function useAsk<Id extends RouteId>(
  topic: string,
  id: Id,
  input?: Input<Id>,
  {
    everyMs,
    ...options
  }: {
    readonly enabled?: boolean
    /** Asks again so often while this says so: for what is about to change and nobody tells of. */
    readonly everyMs?: (answer: Answer<Id>) => number | false
  } = {},
): UseQueryResult<Answer<Id>> {
  return useQuery({
    queryKey: [topic, id, input ?? null],
    queryFn: () => (call as (id: Id, input?: Input<Id>) => Promise<Answer<Id>>)(id, input),
    placeholderData: (before) => before, // a changed filter shows the old list until the new one is there
    ...(everyMs && {
      refetchInterval: ({ state: { data } }: { readonly state: { readonly data?: unknown } }) =>
        data !== undefined && everyMs(data as Answer<Id>),
    }),
    ...options,
  })
}

/**
 * An act: says in a toast what went wrong, and asks anew for everything on screen when it is done.
 *
 * @example const retry = useAct('retryRun', { done: () => toast({ tone: 'ok', title: 'SO-1 is tried again' }) })
 */
export function useAct<Id extends RouteId>(
  id: Id,
  { done }: { readonly done?: (answer: Answer<Id>) => void } = {},
) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (input: Input<Id>) => (call as (id: Id, input?: Input<Id>) => Promise<Answer<Id>>)(id, input),
    onSuccess: (answer) => done?.(answer),
    onError: (error) => toast({ tone: 'park', title: 'This was not done', text: error.message }),
    onSettled: () => void queries.invalidateQueries(),
  })
}

/** The answer when it is there; until then that it loads, or why it does not. */
export function Asked<T>({
  query,
  children,
}: {
  readonly query: UseQueryResult<T>
  readonly children: (answer: T) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error)
    return (
      <Empty sign="ask" tone="park" title="This cannot be shown now">
        {said(query.error)}{' '}
        <button type="button" className="btn s" onClick={() => void query.refetch()}>
          Ask again
        </button>
      </Empty>
    )
  return (
    <p className="loading faint" role="status">
      Loading …
    </p>
  )
}

function said(error: Error): string {
  if (error instanceof ApiError && error.status === 403) return `You may not see this: ${error.message}.`
  return `${error.message}.`
}
