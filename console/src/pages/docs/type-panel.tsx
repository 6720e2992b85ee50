import { Link } from '@tanstack/react-router'
import { FlaskConical } from 'lucide-react'
import { ActLink } from '../../parts/act-button.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { Payload } from '../../parts/payload.tsx'
import { useKeys } from '../../keyboard.ts'
import type { EventType } from './index.tsx'

/** One event type: who makes and takes it, an example, its schema. */
export function TypePanel({ of, onClose }: { readonly of: EventType; readonly onClose: () => void }) {
  useKeys({ Escape: onClose, u: onClose })
  const { type, version, keyed, redacted, producers, awaitedBy, example, schema } = of
  return (
    <div className="c5 side-panel">
      <Card
        flush
        title={type}
        aside={
          <button type="button" className="btn s ghost" onClick={onClose}>
            Close
          </button>
        }
      >
        <div className="body ruled">
          <Facts
            of={[
              ['Version', version || 'no contract in this process'],
              ['Key', keyed ? 'from the data' : 'the partitionkey, or the subject'],
              ['From', producers.join(', ') || 'nobody yet'],
              ...(awaitedBy.length === 0 ? [] : ([['Awaited by', awaitedBy.join(', ')]] as const)),
              ...(redacted.length === 0 ? [] : ([['Never shown', redacted.join(', ')]] as const)),
            ]}
          />
          <div className="row wrap">
            <Link className="btn s" to="/events" search={{ type }}>
              Show its events
            </Link>
            {version !== '' && (
              <ActLink className="btn s" to="/events" search={{ try: type }}>
                <FlaskConical className="i" aria-hidden="true" />
                Publish a test event…
              </ActLink>
            )}
          </div>
        </div>
        <div className="pair one">
          <div>
            <h3>Example</h3>
            <Payload value={example} />
          </div>
        </div>
        <div className="pair one">
          <div>
            <h3>Schema</h3>
            {schema === null ? (
              <p className="body dim">The schema’s library cannot say it as JSON Schema.</p>
            ) : (
              <Payload value={schema} />
            )}
          </div>
        </div>
      </Card>
    </div>
  )
}
