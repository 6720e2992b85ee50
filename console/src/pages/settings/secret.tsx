import { useState } from 'react'
import { Dialog } from '../../parts/dialog.tsx'

/** Shows what is shown only once. */
export function Secret(props: {
  readonly title: string
  readonly text: string
  readonly words: string
  readonly onClose: () => void
}) {
  const { title, text, words, onClose } = props
  const [isCopied, setCopied] = useState(false)
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true))
  return (
    <Dialog
      open
      onClose={onClose}
      onSubmit={onClose}
      title={title}
      footer={
        <>
          <button type="button" className="btn" onClick={copy}>
            {isCopied ? 'Copied' : 'Copy it'}
          </button>
          <button type="submit" className="btn primary">
            I have it
          </button>
        </>
      }
    >
      <p>{words}</p>
      <code className="settings-secret">{text}</code>
    </Dialog>
  )
}
