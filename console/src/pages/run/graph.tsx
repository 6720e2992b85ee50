import { Link } from '@tanstack/react-router'
import { SignShape } from '../../parts/sign.tsx'
import { stepLook } from '../object/entries.ts'
import type { RunDetail, Step } from './run.ts'

const width = 200
const height = 52
const gapX = 56
const gapY = 20

interface Place {
  readonly step: Step
  readonly x: number
  readonly y: number
}

/** The steps of a run as they follow each other; each opens what was sent and answered. */
export function StepGraph({ run, chosen }: { readonly run: RunDetail; readonly chosen: string | undefined }) {
  const places = placed(run.steps)
  const wide = Math.max(...places.map(({ x }) => x + width))
  const high = Math.max(...places.map(({ y }) => y + height))
  const byName = new Map(places.map((place) => [place.step.name, place]))
  return (
    <section className="card run-graph" aria-label="Steps">
      <div className="body">
        <svg
          className="graph"
          viewBox={`-2 -2 ${Math.max(wide, 780) + 4} ${high + 4}`}
          role="group"
          aria-label={`Steps of ${run.flow}`}
        >
          {places.flatMap(({ step, x, y }) =>
            step.after.flatMap((name) => {
              const from = byName.get(name)
              if (!from) return []
              const isDone = ['done', 'skipped'].includes(from.step.state)
              return (
                <path
                  key={`${name}-${step.name}`}
                  className={`edge ${isDone ? 'done' : 'todo'}`}
                  d={curve(from.x + width, from.y + height / 2, x, y + height / 2)}
                />
              )
            }),
          )}
          {places.map((place) => (
            <Node key={place.step.name} place={place} isChosen={place.step.name === chosen} />
          ))}
        </svg>
      </div>
    </section>
  )
}

function Node({ place: { step, x, y }, isChosen }: { readonly place: Place; readonly isChosen: boolean }) {
  const { tone, sign, word } = stepLook(step.state)
  const isHot = ['failed', 'undo-failed'].includes(step.state)
  const about = aboutStep(step, word)
  return (
    <Link
      to="."
      search={(before: Record<string, unknown>) => ({ ...before, step: step.name, attempt: undefined })}
      className="graph-link"
      aria-label={`${cut(step.name, 22)} ${cut(about, 28)}: ${word}`}
      aria-current={isChosen ? 'true' : undefined}
      resetScroll={false}
    >
      <g
        className={`node${isHot ? ' hot' : ''}${isChosen ? ' chosen' : ''}`}
        data-tone={tone}
        transform={`translate(${x} ${y})`}
      >
        <rect width={width} height={height} rx="8" />
        <g transform="translate(14 11) scale(0.94)" className="graph-sign">
          <SignShape name={sign} />
        </g>
        <text x="37" y="23">
          {cut(step.name, 22)}
        </text>{' '}
        <text className="s" x="14" y="42">
          {cut(about, 28)}
        </text>
      </g>
    </Link>
  )
}

/** What a node says of its step: where, and what it came to. */
function aboutStep({ kind, system, state, status, ids, attempts, code }: Step, word: string): string {
  const where = system ?? kind
  const [given] = ids
  if (state === 'pending') return `${where}, not started`
  if (state === 'done')
    return [where, given?.external, attempts > 1 ? `${attempts} tries` : undefined].filter(Boolean).join(', ')
  if (state === 'failed')
    return `${where}, ${status !== null && status > 0 ? status : (code ?? 'failed')}, needs a person`
  return `${where}, ${word.toLowerCase()}`
}

/** Columns by how many steps stand before; each column is centred. */
function placed(steps: readonly Step[]): Place[] {
  const depths = new Map<string, number>()
  const depth = (name: string): number => {
    const known = depths.get(name)
    if (known !== undefined) return known
    depths.set(name, 0)
    const after = steps.find((step) => step.name === name)?.after ?? []
    const own =
      Math.max(-1, ...after.filter((each) => steps.some((step) => step.name === each)).map(depth)) + 1
    depths.set(name, own)
    return own
  }
  const columns = Map.groupBy(steps, ({ name }) => depth(name))
  const tallest = Math.max(...[...columns.values()].map((column) => column.length))
  return [...columns].flatMap(([column, own]) =>
    own.map((step, row) => ({
      step,
      x: column * (width + gapX),
      y: ((tallest - own.length) / 2 + row) * (height + gapY),
    })),
  )
}

function curve(fromX: number, fromY: number, toX: number, toY: number): string {
  const half = (toX - fromX) / 2
  return `M${fromX} ${fromY}C${fromX + half} ${fromY} ${toX - half} ${toY} ${toX} ${toY}`
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}
