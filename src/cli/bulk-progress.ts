import type { BulkAct } from '../control/schema/bulk.ts'
import { count } from '../control/sentence.ts'
import type { Context } from './context.ts'
import { exitCode } from './exit-code.ts'
import { bar, follow, withoutItems } from './progress.ts'
import type { Terminal } from './terminal.ts'
import { number, span, words } from './words.ts'

/**
 * Shows how an act on many runs goes on until it is through, paused, stopped or cancelled. Ctrl-C leaves the view, not the
 * act. The exit code is 1 unless all of it has gone well.
 */
export async function followBulk(context: Context, id: number): Promise<void> {
  const { client } = context
  const act = await follow<BulkAct>(context, {
    ask: () => client.getBulkAct({ id, limit: 1 }),
    line: bulkBar,
  })
  context.show(withoutItems(act), summaryOf)
  if (act.state !== 'running' && (act.state !== 'done' || act.counts.failed > 0))
    process.exitCode = exitCode.failed
}

/** `[██████······] 68 of 312, stage 3: …` */
export function bulkBar({ total, counts, stage, why }: BulkAct): string {
  const through = counts.succeeded + counts.failed + counts.moved
  return `${bar(through, total)} stage ${stage}: ${words(why)}`
}

function summaryOf(act: BulkAct): string {
  const next = {
    running: `it goes on without you; see it with: busbar bulk list ${act.id}`,
    stopped: `see which failed with: busbar bulk list ${act.id} --outcome failed; go on with: busbar bulk resume ${act.id}`,
    paused: `go on with: busbar bulk resume ${act.id}`,
  }[act.state as 'running' | 'stopped' | 'paused'] as string | undefined
  return `${words(act.why)}${next === undefined ? '' : `\n${next}`}`
}

/** What an act would do, before it is begun. */
export function describeBulkPlan(_terminal: Terminal, { plan, stages }: BulkAct): string {
  const sizes = stages.map(({ size }) => number(size)).join(', then ')
  const limits = plan.systems.flatMap(({ system, perMinute }) =>
    perMinute === null ? [] : [`${system} allows ${number(perMinute)} requests a minute`],
  )
  return [
    words(plan.tells),
    `in stages of ${sizes}; it stops by itself when one of the first fails, or too many of a later one`,
    ...(plan.durationMs === null ? [] : [`takes about ${span(Math.max(1_000, plan.durationMs))}`]),
    ...limits,
    `${count(plan.objects, 'object')}, the first of them ${plan.first ?? 'without a key'}`,
  ].join('\n')
}
