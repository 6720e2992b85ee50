import { useState } from 'react'
import { parseExactly } from '../../../../src/control/exact-json.ts'
import { written } from '../../parts/payload.tsx'
import type { Field } from './fields.ts'
import { fieldsOf, typed, withValue } from './fields.ts'

/** The plain values of the data as fields; what is nested deeper or very long is edited as text. */
export function Form({
  text,
  onChange,
}: {
  readonly text: string
  readonly onChange: (text: string) => void
}) {
  const data = dataOf(text)
  if (typeof data !== 'object' || data === null)
    return <p className="body dim">This data has no fields: edit it as text.</p>
  const fields = fieldsOf(data)
  return (
    <div className="body run-form">
      {fields.map((field) => (
        <One
          key={field.name}
          field={field}
          onChange={(value) => onChange(written(withValue(data, field.path, value)))}
        />
      ))}
      {!Array.isArray(data) && (
        <More
          taken={Object.keys(data)}
          onAdd={(name, value) => onChange(written({ ...data, [name]: value }))}
        />
      )}
    </div>
  )
}

function One({
  field,
  onChange,
}: {
  readonly field: Field
  readonly onChange: (value: Field['value']) => void
}) {
  return (
    <label className="field">
      <span>{field.name}</span>
      <input
        className="input mono"
        value={field.value === null ? '' : String(field.value)}
        placeholder={field.value === null ? 'null' : ''}
        onChange={(event) => onChange(typed(event.target.value, field.value))}
      />
    </label>
  )
}

/** A field that is missing. */
function More({
  taken,
  onAdd,
}: {
  readonly taken: readonly string[]
  readonly onAdd: (name: string, value: string) => void
}) {
  const [name, setName] = useState('')
  const [value, setValue] = useState('')
  const isThere = taken.includes(name.trim())
  const add = () => {
    if (name.trim() === '' || isThere) return
    onAdd(name.trim(), value)
    setName('')
    setValue('')
  }
  return (
    <div className="run-more" role="group" aria-label="A field that is missing">
      <label className="field">
        <span>Another field</span>
        <input
          className="input mono"
          value={name}
          placeholder="name"
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Its value</span>
        <input className="input mono" value={value} onChange={(event) => setValue(event.target.value)} />
      </label>
      <button type="button" className="btn" disabled={name.trim() === '' || isThere} onClick={add}>
        Add the field
      </button>
    </div>
  )
}

function dataOf(text: string): unknown {
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}
