import type { EventContract } from '../../src/define/event.ts'

/** What an event carries. */
export interface OrderData {
  readonly number: string
  readonly revision: number
  /** Its number in the sequence of its key; null where its source forgot. */
  readonly place: number | null
  /** It kills each process that runs it. */
  readonly poison: boolean
}

export const placed = contract('order.placed')
export const changed = contract('order.changed')
export const captured = contract('payment.captured')

function contract<const Type extends string>(type: Type): EventContract<Type, OrderData> {
  return {
    kind: 'event',
    type,
    schema: {
      '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as OrderData }) },
    },
    key: (order) => order.number,
    marked: [],
    keyed: true,
    version: '1',
  }
}
