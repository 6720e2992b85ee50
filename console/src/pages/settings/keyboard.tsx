import { useState } from 'react'
import { singleKeysOn, switchSingleKeys } from '../../keyboard.ts'
import { Card } from '../../parts/card.tsx'

/** Single letters can get in the way of those who speak to their computer, or type with one hand. */
export function Keyboard() {
  const [isOn, setOn] = useState(singleKeysOn)
  return (
    <Card title="Single letters">
      <div className="stack">
        <p>
          Letters such as A, R or G N act on the page without Ctrl. Keys with Ctrl work in any case; this
          counts for this browser.
        </p>
        <label className="check">
          <input
            type="checkbox"
            checked={isOn}
            onChange={({ target }) => {
              switchSingleKeys(target.checked)
              setOn(target.checked)
            }}
          />
          Single letters act
        </label>
      </div>
    </Card>
  )
}
