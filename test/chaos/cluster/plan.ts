import { Dice } from '../../simulation/dice.ts'

/** Whom a fault is done to: one process of a role, the worker that holds the relay, or a server that all use. */
export type Target = 'ingress' | 'worker' | 'relay' | 'postgres' | 'broker'

/** The kinds of faults, each with its targets and how long it lasts. */
const kinds = {
  kill: { targets: ['ingress', 'worker', 'relay', 'postgres', 'broker'], holdMs: [0, 500] },
  restart: { targets: ['ingress', 'worker', 'postgres', 'broker'], holdMs: [0, 500] },
  /** Stopped for longer than its lease, then continued; how much longer. */
  stop: { targets: ['ingress', 'worker'], holdMs: [500, 2_500] },
  alarm: { targets: ['broker'], holdMs: [1_000, 3_000] },
  deleteQueue: { targets: ['broker'], holdMs: [0, 0] },
  /** On the lines of one process to PostgreSQL (`sql`) or to RabbitMQ (`amqp`). */
  cutSql: { targets: ['ingress', 'worker'], holdMs: [0, 0] },
  refuseSql: { targets: ['ingress', 'worker'], holdMs: [500, 2_500] },
  delaySql: { targets: ['ingress', 'worker'], holdMs: [1_500, 3_000] },
  dripSql: { targets: ['worker'], holdMs: [1_500, 3_000] },
  halfCloseSql: { targets: ['ingress', 'worker'], holdMs: [500, 1_500] },
  swallowSql: { targets: ['ingress'], holdMs: [1_000, 3_000] },
  /** Cut off from PostgreSQL, though not from the systems, for longer than its lease; how much longer. */
  isolate: { targets: ['worker'], holdMs: [500, 2_500] },
  /** The same, and then what was held up comes all at once. */
  holdUpSql: { targets: ['worker'], holdMs: [500, 2_500] },
  cutAmqp: { targets: ['worker'], holdMs: [0, 0] },
  refuseAmqp: { targets: ['worker', 'relay'], holdMs: [500, 2_500] },
  delayAmqp: { targets: ['worker', 'relay'], holdMs: [1_500, 3_000] },
  dripAmqp: { targets: ['worker'], holdMs: [1_500, 3_000] },
  halfCloseAmqp: { targets: ['worker', 'relay'], holdMs: [500, 1_500] },
  swallowAmqp: { targets: ['worker', 'relay'], holdMs: [1_000, 4_000] },
} as const satisfies Record<string, { targets: readonly Target[]; holdMs: readonly [number, number] }>

export type FaultKind = keyof typeof kinds

/** One fault to come. */
export interface PlannedFault {
  readonly kind: FaultKind
  readonly target: Target
  /** Which of the processes of that role. */
  readonly which: number
  readonly holdMs: number
  /** So many events are acknowledged after everything was well again. */
  readonly afterEvents: number
  /** Seeds what else is left to chance. */
  readonly luck: number
  /** Killed while the fault lasts, after so long. */
  readonly also?: { readonly target: 'ingress' | 'worker'; readonly which: number; readonly afterMs: number }
}

/** Of faults that leave processes alone, so many come with a kill. */
const doubleShare = 0.2

type Pair = Pick<PlannedFault, 'kind' | 'target'>

/** Those after which something must go on within a bound: they come first, so that a short run has them too. */
const first = [
  'kill worker',
  'stop worker',
  'isolate worker',
  'kill postgres',
  'restart postgres',
  'kill broker',
  'restart broker',
  'alarm broker',
]

/** Faults without end, each pair of kind and target once before any comes again; all of it follows from the seed. */
export function* plannedFaults(seed: number): Generator<PlannedFault, never> {
  const dice = new Dice(`cluster ${seed}`)
  const all = Object.keys(kinds).flatMap((name) => {
    const kind = name as FaultKind
    return kinds[kind].targets.map((target: Target) => ({ kind, target }))
  })
  const isFirst = ({ kind, target }: Pair) => first.includes(`${kind} ${target}`)
  const rest = all.filter((pair) => !isFirst(pair))
  for (let decks = [all.filter(isFirst), rest]; ; decks = [[...all]])
    for (const deck of decks)
      while (deck.length > 0) {
        const [next] = deck.splice(dice.between(0, deck.length - 1), 1)
        if (next) yield planned(dice, next)
      }
}

function planned(dice: Dice, { kind, target }: Pair): PlannedFault {
  const [least, most] = kinds[kind].holdMs
  const isDouble = dice.chance(doubleShare) && (target === 'postgres' || target === 'broker')
  const fault = {
    kind,
    target,
    which: dice.between(0, 1_000),
    holdMs: dice.between(least, most),
    afterEvents: dice.between(10, 50),
    luck: dice.next(),
  }
  const also = {
    target: dice.pick(['ingress', 'worker'] as const),
    which: dice.between(0, 1_000),
    afterMs: dice.between(0, 400),
  }
  return isDouble ? { ...fault, also } : fault
}
