import { describe, expect, it } from 'vitest'
import type { Step } from '../control/schema/run.ts'
import { stepsInWords } from './steps-in-words.ts'

/** A sale, its invoice, and after that an approval and a label side by side, then a shipment. */
function said(...states: readonly Step['state'][]): string | null {
  const graph: Readonly<Record<string, readonly string[]>> = {
    sale: [],
    invoice: ['sale'],
    lead: ['invoice'],
    label: ['invoice'],
    shipment: ['lead', 'label'],
  }
  const steps = Object.entries(graph).map(([name, after], place) => ({
    name,
    after: [...after],
    state: states[place] ?? 'pending',
  }))
  return stepsInWords(steps)
}

describe('how far a run has come', () => {
  it('says what is done, what has failed, and that nothing new begins', () => {
    expect(said('done', 'failed')).toBe('done: sale; failed: invoice; not begun: lead, label, shipment')
  })

  it('says what is under way and what is next', () => {
    expect(said('done', 'skipped', 'waiting')).toBe(
      'done: sale; left out: invoice; waiting: lead; next: label; not begun: shipment',
    )
    expect(said()).toBe('next: sale; not begun: invoice, lead, label, shipment')
  })

  it('says what is undone, and where that is stuck', () => {
    expect(said('done', 'undo-failed', 'skipped', 'kept', 'undone')).toBe(
      'done: sale; undo failed: invoice; left out: lead; kept as it is: label; undone: shipment',
    )
  })

  it('says nothing of a run of one step', () => {
    expect(stepsInWords([{ name: 'send', state: 'failed', after: [] }])).toBeNull()
  })
})
