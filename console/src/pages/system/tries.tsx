import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { Card } from '../../parts/card.tsx'
import { Exchange } from '../../parts/exchange.tsx'
import { count } from '../../parts/measure.tsx'
import type { SignName } from '../../parts/sign.tsx'
import { Sign } from '../../parts/sign.tsx'
import type { Tone } from '../../parts/state.tsx'
import { nameOf } from '../../parts/system-words.ts'
import { duration, Time } from '../../parts/time.tsx'
import { Words } from '../../parts/words.tsx'

type Detail = Answer<'getSystem'>
type Changes = Answer<'systemHistory'>['changes']

const outcomes: Readonly<Record<string, readonly [string, SignName, Tone]>> = {
  answered: ['Answered', 'ok', 'ok'],
  failed: ['Failed', 'park', 'park'],
  'not-made': ['Not made', 'skip', 'rest'],
}

/** Calls that people have asked for; one at a time shows what was sent and answered. */
export function Tests({ system }: { readonly system: Detail }) {
  const [open, setOpen] = useState<number>()
  const { tests } = system
  return (
    <Card title="Test calls" flush>
      {tests.length === 0 ? (
        <p className="none">
          Nobody has asked for one. A test call is one harmless call with the system’s own connection; it is
          made even while the system is cut off or paused.
        </p>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Test calls">
          <table className="table dense">
            <tbody>
              {tests.map((test) => (
                <TestRow
                  key={test.id}
                  system={system}
                  test={test}
                  isOpen={test.id === open}
                  onToggle={() => setOpen(test.id === open ? undefined : test.id)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}

function TestRow({
  system,
  test,
  isOpen,
  onToggle,
}: {
  readonly system: Detail
  readonly test: Detail['tests'][number]
  readonly isOpen: boolean
  readonly onToggle: () => void
}) {
  const { at, by, outcome, ms, sentence, request, response } = test
  const [word, sign, tone] = outcomes[outcome ?? ''] ?? ['Under way', 'run', 'run']
  return (
    <>
      <tr>
        <td className="mono faint">
          <Time at={at} clock />
        </td>
        <td>
          <span className="state" data-tone={tone}>
            <Sign name={sign} />
            {word}
          </span>
        </td>
        <td className="dim">
          <Words parts={sentence} />, asked for by {by}
        </td>
        <td className="num dim">{ms === null ? '' : duration(ms)}</td>
        <td className="num">
          {request !== null && (
            <button type="button" className="btn s ghost" aria-expanded={isOpen} onClick={onToggle}>
              What was sent
            </button>
          )}
        </td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={5} className="of-exchange">
            <Exchange
              to={nameOf(system)}
              address={system.address}
              request={request}
              response={response}
              message={null}
            />
          </td>
        </tr>
      )}
    </>
  )
}

const kinds: Readonly<Record<Changes[number]['kind'], readonly [string, SignName, Tone]>> = {
  'cut-off': ['Cut off', 'cutOff', 'park'],
  tried: ['Tried, not back', 'trying', 'retry'],
  connected: ['Connected', 'connected', 'ok'],
  slowed: ['Slowed', 'slowed', 'retry'],
  paused: ['Paused', 'paused', 'rest'],
  resumed: ['Resumed', 'connected', 'ok'],
  maintenance: ['Maintenance set', 'paused', 'rest'],
}

type Chained = Changes[number] & { readonly times: number }

/** Tries in a row that ended alike are one. */
function chained(changes: Changes): readonly Chained[] {
  const all: Chained[] = []
  for (const change of changes) {
    const last = all.at(-1)
    if (last?.kind === 'tried' && change.kind === 'tried' && last.reason === change.reason)
      all[all.length - 1] = { ...last, times: last.times + 1 }
    else all.push({ ...change, times: 1 })
  }
  return all
}

/** Since when it stood how, newest first. */
export function Changes({ changes }: { readonly changes: Changes }) {
  const shown = chained(changes).slice(0, 30)
  return (
    <Card title="What changed" flush>
      {shown.length === 0 ? (
        <p className="none">Nothing has changed in the last 24 hours.</p>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="What changed">
          <table className="table dense">
            <tbody>
              {shown.map(({ at, kind, reason, times }, place) => {
                const [word, sign, tone] = kinds[kind]
                return (
                  <tr key={`${at}${place}`}>
                    <td className="mono faint">
                      <Time at={at} seconds />
                    </td>
                    <td>
                      <span className="state" data-tone={tone}>
                        <Sign name={sign} />
                        {times > 1 ? `Tried ${count(times)} times, not back` : word}
                      </span>
                    </td>
                    <td className="dim">{reason}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}
