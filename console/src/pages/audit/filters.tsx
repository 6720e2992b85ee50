import { useState } from 'react'
import { useSearchValue } from '../../parts/page.tsx'

/** Who, what, on what: in the address. */
export function Filters() {
  return (
    <div className="filters" role="search" aria-label="Filter">
      <Filter name="actor" words="Who" example="user:ada" />
      <Filter name="verb" words="What" example="retry" />
      <Filter name="object" words="On what" example="run order-to-cash/42" />
    </div>
  )
}

function Filter({
  name,
  words,
  example,
}: {
  readonly name: string
  readonly words: string
  readonly example: string
}) {
  const [value, setValue] = useSearchValue(name)
  const [, setBefore] = useSearchValue('before')
  const [typed, setTyped] = useState(value ?? '')
  const apply = () => {
    if (typed.trim() === (value ?? '')) return
    setBefore(undefined)
    setValue(typed.trim() === '' ? undefined : typed.trim())
  }
  return (
    <label className="row">
      <span className="small dim nowrap">{words}</span>
      <input
        className="input audit-filter"
        placeholder={example}
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
        onBlur={apply}
        onKeyDown={({ key }) => key === 'Enter' && apply()}
      />
    </label>
  )
}
