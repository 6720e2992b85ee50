import type { ObjectDetail, Run } from './entries.ts'

/** Something that has not happened yet. */
export interface Next {
  readonly run: Run
  readonly system: string | null
  readonly wire: string
  readonly label: string
  /** When, if that is known. */
  readonly at: string | null
}

/** Most steps that are still to come and shown. */
const most = 8

/** What comes next: the step that the object stands at, those after it, then the runs that wait. */
export function nextSteps({ open, journey }: ObjectDetail): readonly Next[] {
  if (open.length === 0) return []
  const main = journey && open.find((run) => run.flow === journey.flow && run.seq === journey.seq)
  const own: Next[] = []
  if (journey && main) {
    const run = { flow: journey.flow, seq: journey.seq, generation: journey.generation }
    for (const { name, kind, system, state, after } of journey.steps) {
      const isHere = state !== 'pending'
      const isOver = ['done', 'skipped', 'undone', 'kept'].includes(state)
      if (isOver || kind !== 'call') continue
      const label = !isHere
        ? after.length > 0
          ? `After ${after.join(', ')}`
          : 'To come'
        : main.state === 'parked'
          ? 'After the repair'
          : 'Tried again'
      own.push({ run, system, wire: `${run.flow} · ${name}`, label, at: isHere ? main.until : null })
    }
  }
  const rest = open
    .filter((run) => run !== main)
    .map((run): Next => {
      const { flow, seq, generation, system, step, until } = run
      const wire = step === null ? flow : `${flow} · ${step}`
      const label = run.state === 'parked' ? 'After a repair' : main ? `After ${main.flow}` : 'Its turn'
      return { run: { flow, seq, generation }, system, wire, label, at: until }
    })
  return [...own, ...rest].slice(0, most)
}
