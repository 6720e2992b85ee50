import { State } from '../../parts/state.tsx'

/** How an object stands: as its worst run, or that all is done, or that what must follow has not come. */
export function ObjectState({ of, pill = false }: { readonly of: string; readonly pill?: boolean }) {
  if (of === 'done')
    return (
      <State of="succeeded" pill={pill}>
        Done
      </State>
    )
  if (of === 'overdue')
    return (
      <State of="parked" pill={pill}>
        Overdue
      </State>
    )
  return <State of={of} pill={pill} />
}
