import { Link } from '@tanstack/react-router'
import { Fragment } from 'react'
import { Time } from './time.tsx'

/** A piece of a sentence, as the control API makes it. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly to: string; readonly id: string; readonly text: string }
  | { readonly kind: 'time'; readonly at: string }

/** Where a thing is shown, by its kind and id. */
export function pathTo(kind: string, id: string): string {
  const rest = id.split('/').map(encodeURIComponent).join('/')
  switch (kind) {
    case 'event':
      return `/events?seq=${encodeURIComponent(id)}`
    case 'run':
      return `/runs/${rest}`
    case 'object':
      return `/objects/${encodeURIComponent(id)}`
    case 'system':
      return `/systems/${encodeURIComponent(id)}`
    case 'problem':
      return `/problems/${encodeURIComponent(id)}`
    case 'replay':
      return `/replays/${encodeURIComponent(id)}`
    case 'group':
      return `/operations?group=${encodeURIComponent(id)}`
    case 'flow':
      return `/map?flow=${encodeURIComponent(id)}`
    default:
      return '/'
  }
}

/** A sentence of the control API: words, links and moments. */
export function Words({ parts }: { readonly parts: readonly Part[] }) {
  return parts.map((part, index) => (
    <Fragment key={index}>
      {part.kind === 'text' && part.text}
      {part.kind === 'time' && <Time at={part.at} clock />}
      {part.kind === 'link' && (
        <Link to={pathTo(part.to, part.id)} className="link">
          {part.text}
        </Link>
      )}
    </Fragment>
  ))
}
