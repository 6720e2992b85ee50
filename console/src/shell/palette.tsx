import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Box, PlugZap, Search, Zap } from 'lucide-react'
import { Dialog as Kit } from 'radix-ui'
import type { KeyboardEvent, ReactNode } from 'react'
import { useEffect, useState } from 'react'
import { Sign } from '../parts/sign.tsx'
import { useOfferedActs } from './acts.ts'
import { find } from './palette-finds.ts'
import { places } from './places.ts'

interface Choice {
  readonly id: string
  readonly group: string
  readonly icon: ReactNode
  readonly tone?: string | undefined
  readonly name: string
  readonly about?: ReactNode
  readonly choose: () => void
}

const waitMs = 120

/** Finds any thing, and offers what can be done: `#` only objects, `>` only acts. */
export function Palette({ open, onClose }: { readonly open: boolean; readonly onClose: () => void }) {
  return (
    <Kit.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Kit.Portal>
        <div className="overlay shown">
          <Kit.Content className="dialog palette" aria-describedby={undefined}>
            <Kit.Title className="sr">Find or act</Kit.Title>
            <Asking onClose={onClose} />
          </Kit.Content>
        </div>
      </Kit.Portal>
    </Kit.Root>
  )
}

function Asking({ onClose }: { readonly onClose: () => void }) {
  const [asked, setAsked] = useState('')
  const [at, setAt] = useState(0)
  const { choices, isSearching } = useChoices(asked)
  const chosen = choices[Math.min(at, choices.length - 1)]
  const choose = (choice: Choice | undefined) => {
    if (!choice) return
    onClose()
    choice.choose()
  }
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) {
      event.preventDefault()
      setAt(
        (before) =>
          (Math.min(before, choices.length - 1) + step + choices.length) % Math.max(1, choices.length),
      )
    }
    if (event.key === 'Enter') {
      event.preventDefault()
      choose(chosen)
    }
  }
  return (
    <>
      <div className="ask">
        <Search className="i" aria-hidden="true" />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={chosen && `palette-${chosen.id}`}
          aria-label="Find an order, customer, invoice or any id, or an act"
          placeholder="Any key, id, problem, system or act"
          value={asked}
          onChange={(event) => {
            setAsked(event.target.value)
            setAt(0)
          }}
          onKeyDown={press}
        />
        <kbd aria-hidden="true">Esc</kbd>
      </div>
      <div role="listbox" id="palette-list" aria-label="Found">
        {choices.map((choice, index) => (
          <div key={choice.id} className="contents">
            {choice.group !== choices[index - 1]?.group && <h3 role="presentation">{choice.group}</h3>}
            <div
              role="option"
              id={`palette-${choice.id}`}
              aria-selected={choice === chosen}
              className="choice"
              data-on={choice === chosen ? '' : undefined}
              data-tone={choice.tone}
              onClick={() => choose(choice)}
              onPointerMove={() => setAt(index)}
            >
              {choice.icon}
              <span className="found">{choice.name}</span>
              {choice.about !== undefined && <span className="r">{choice.about}</span>}
            </div>
          </div>
        ))}
        {choices.length === 0 && (
          <p className="none" role="status">
            {isSearching
              ? 'Looking …'
              : `Nothing is called “${asked}”. busbar looks at keys, at the ids of all systems, at problems and acts.`}
          </p>
        )}
      </div>
      <footer className="row">
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> choose
        </span>
        <span>
          <kbd>Enter</kbd> open
        </span>
        <span>
          <kbd>#</kbd> only objects
        </span>
        <span>
          <kbd>&gt;</kbd> only acts
        </span>
      </footer>
    </>
  )
}

function useChoices(asked: string): { readonly choices: readonly Choice[]; readonly isSearching: boolean } {
  const navigate = useNavigate()
  const acts = useOfferedActs()
  const only = asked.startsWith('#') ? 'objects' : asked.startsWith('>') ? 'acts' : undefined
  const words = (only ? asked.slice(1) : asked).trim()
  const settled = useSettled(words)
  const search = useQuery({
    queryKey: ['search', settled],
    queryFn: () => find(settled),
    enabled: settled !== '' && only !== 'acts',
    placeholderData: (before) => before,
  })
  const matches = (name: string) => name.toLowerCase().includes(words.toLowerCase())
  const go = (to: string) => () => void navigate({ to })
  const offered = only === 'objects' ? [] : acts.filter(({ name }) => matches(name))
  const found = words === '' || only === 'acts' ? [] : (search.data ?? [])
  const goTo = only ? [] : places.flat().filter(({ name }) => matches(name))
  return {
    isSearching: search.isFetching || settled !== words,
    choices: [
      ...offered.map(({ name, icon: Icon = Zap, key, run }): Choice => ({
        id: `act-${name}`,
        group: 'Act',
        icon: <Icon className="i" aria-hidden="true" />,
        name,
        about: key && <kbd aria-hidden="true">{key.toUpperCase()}</kbd>,
        choose: run,
      })),
      ...found
        .filter(({ group }) => only !== 'objects' || group === 'Objects')
        .map(({ group, to, name, about, sign, tone }): Choice => ({
          id: `found-${to}`,
          group,
          icon: sign ? <Sign name={sign} /> : <Nameless group={group} />,
          tone,
          name,
          about,
          choose: go(to),
        })),
      ...goTo.map(({ to, name, icon: Icon, letter }): Choice => ({
        id: `go-${to}`,
        group: 'Go to',
        icon: <Icon className="i" aria-hidden="true" />,
        name,
        about: <kbd aria-hidden="true">G {letter.toUpperCase()}</kbd>,
        choose: go(to),
      })),
    ],
  }
}

function Nameless({ group }: { readonly group: string }) {
  const Icon = group === 'Systems' ? PlugZap : Box
  return <Icon className="i" aria-hidden="true" />
}

/** What was typed, once the typing rests. */
function useSettled(words: string): string {
  const [settled, setSettled] = useState(words)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(words), waitMs)
    return () => clearTimeout(timer)
  }, [words])
  return settled
}
