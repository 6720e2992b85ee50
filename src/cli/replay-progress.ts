import type { Replay } from '../control/schema/replay.ts'
import type { Context } from './context.ts'
import { exitCode } from './exit-code.ts'
import { bar, follow, withoutItems } from './progress.ts'
import { number, words } from './words.ts'

/**
 * Shows how a replay goes on until it is through, paused, stopped or cancelled. Ctrl-C leaves the view, not the replay.
 * The exit code is 1 unless all of it has succeeded.
 */
export async function followReplay(context: Context, id: number): Promise<void> {
  const { client } = context
  const replay = await follow<Replay>(context, {
    ask: () => client.getReplay({ id, limit: 1 }),
    line: barOf,
  })
  context.show(withoutItems(replay), summaryOf)
  if (replay.state === 'running') return
  if (replay.state !== 'done' || replay.counts.failed > replay.counts.recovered)
    process.exitCode = exitCode.failed
}

/** `[██████······] 1,200 of 4,000, 3 failed, 40 under way: goes on, stage 4 …` */
export function barOf({ total, counts, why }: Replay): string {
  const through = total - counts.left - counts.underWay
  return `${bar(through, total)} ${number(through)} of ${number(total)}${troubles(counts)}: ${words(why)}`
}

function troubles({ failed, underWay, passedOver }: Replay['counts']): string {
  const parts = [
    failed > 0 ? `, ${number(failed)} failed` : '',
    underWay > 0 ? `, ${number(underWay)} under way` : '',
    passedOver > 0 ? `, ${number(passedOver)} passed over` : '',
  ]
  return parts.join('')
}

function summaryOf(replay: Replay): string {
  const { id, flow, state, counts } = replay
  const head = `replay ${id} of ${flow} ${words(replay.why)}`
  const said = [
    `${number(counts.succeeded)} succeeded`,
    ...(counts.failed > 0 ? [`${number(counts.failed)} failed`] : []),
    ...(counts.ended > 0 ? [`${number(counts.ended)} skipped or superseded`] : []),
    ...(counts.passedOver > 0
      ? [`${number(counts.passedOver)} passed over, a run of theirs being open`]
      : []),
    ...(counts.left > 0 ? [`${number(counts.left)} left`] : []),
  ].join(', ')
  const next =
    state === 'running'
      ? `\nit goes on without you; see it with: busbar replays list ${id}`
      : state === 'stopped'
        ? `\nsee why with: busbar runs --flow ${flow} --state parked; go on with: busbar replays resume ${id}`
        : ''
  return `${head}\n${said}${next}`
}
