import { Link } from '@tanstack/react-router'
import type { NodeProps } from '@xyflow/react'
import { Handle, Position } from '@xyflow/react'
import { count, counted } from '../../parts/measure.tsx'
import { lookOf } from '../../parts/state.tsx'
import { limitWords, nameOf, waitingWords } from '../../parts/system-words.ts'
import { clock, duration, lengthOf, Time } from '../../parts/time.tsx'
import { Breaker } from '../../parts/breaker.tsx'
import type { MapFlow, MapSource, MapSystem } from './layout.ts'

/** `1.6 a min`. */
export function rateWords(perMinute: number): string {
  if (perMinute >= 100) return `${count(Math.round(perMinute))} a min`
  return `${Math.round(perMinute * 10) / 10} a min`
}

const silentMs = 300_000

export function SourceNode({ data }: NodeProps) {
  const { source, perMinute, newestAt } = (data as { source: MapSource }).source
  const silent = perMinute === 0
  return (
    <Link to="/events" search={{ source }} className={silent ? 'map-node warm' : 'map-node'} title={source}>
      <b className="ellipsis">{sourceName(source)}</b>
      <span>
        {silent && newestAt !== null && Date.now() - Date.parse(newestAt) > silentMs
          ? `silent since ${clock(newestAt)}`
          : rateWords(perMinute)}
      </span>
      <Handle type="source" position={Position.Right} />
    </Link>
  )
}

/** The last part of a source's URI says enough. */
function sourceName(source: string): string {
  return source.split(/[/:]/).filter(Boolean).at(-1) ?? source
}

/** The bar: one conductor that all flows hang on. */
export function BarNode({ data }: NodeProps) {
  const { sources, flows } = data as { sources: number; flows: number }
  const at = (many: number, index: number) => ({ top: `${((index + 0.5) / many) * 100}%` })
  return (
    <div className="map-bar">
      {Array.from({ length: sources }, (_, index) => (
        <Handle
          key={`in${index}`}
          id={`in${index}`}
          type="target"
          position={Position.Left}
          style={at(sources, index)}
        />
      ))}
      {Array.from({ length: flows }, (_, index) => (
        <Handle
          key={`out${index}`}
          id={`out${index}`}
          type="source"
          position={Position.Right}
          style={at(flows, index)}
        />
      ))}
    </div>
  )
}

export function FlowNode({ data }: NodeProps) {
  const { flow, chosen } = data as { flow: MapFlow; chosen: boolean }
  const { name, perMinute } = flow
  const { words, tone } = standingOf(flow)
  return (
    <Link
      to="/map"
      search={(before: Record<string, unknown>) => ({ ...before, flow: name })}
      className={`map-node ${tone}${chosen ? ' chosen' : ''}`}
    >
      <Handle type="target" position={Position.Left} />
      <b className="ellipsis">{name}</b>
      <span className="two">
        <span>{rateWords(perMinute)}</span>
        <span className={tone === '' ? undefined : 'warn'}>{words}</span>
      </span>
      <Handle type="source" position={Position.Right} />
    </Link>
  )
}

function standingOf({ open, pending, exact, paused, deployed, noun }: MapFlow): {
  words: string
  tone: string
} {
  if (open.parked > 0) return { words: `${counted(open.parked, 'run')} parked`, tone: 'hot' }
  if (paused) return { words: 'paused', tone: 'warm' }
  if (deployed === false) return { words: 'not deployed', tone: 'warm' }
  const waits = open.waiting + open.retrying + pending
  if (waits > 0) return { words: `${exact ? '' : 'about '}${counted(waits, noun)} wait`, tone: 'warm' }
  return { words: 'up to date', tone: '' }
}

export function SystemNode({ data }: NodeProps) {
  const { system } = data as { system: MapSystem }
  const { name, standing, changedAt, until, recent } = system
  const { tone, word } = lookOf('system', standing)
  const isWell = standing === 'connected'
  return (
    <Link
      to="/systems/$name"
      params={{ name }}
      className={`map-system${standing === 'cut-off' ? ' hot' : ''}`}
      data-tone={tone}
    >
      <Handle type="target" position={Position.Left} />
      <span className="map-breaker">
        <Breaker standing={standing} />
      </span>
      <span className="map-node">
        <b className="ellipsis">{nameOf(system)}</b>
        {isWell ? (
          <>
            <span>{limitWords(system, { short: true })}</span>
            <span>{recent.p95 === null ? 'no calls' : `p95 ${duration(recent.p95)}`}</span>
          </>
        ) : (
          <>
            <span className="tone">
              {word.toLowerCase()} for {lengthOf(Date.now() - Date.parse(changedAt))}
            </span>
            <span>
              {waitingWords(system)} wait{until && ', next '}
              {until && <Time at={until} clock />}
            </span>
          </>
        )}
      </span>
    </Link>
  )
}
