import { Copy } from 'lucide-react'
import { asCurl, readable } from './exchange-text.ts'
import { Payload } from './payload.tsx'
import { toast } from './toast.tsx'

/** What was sent to a system beside what it answered, as both were recorded; null: not recorded. */
export function Exchange({
  to,
  address,
  request,
  response,
  message,
}: {
  readonly to: string
  readonly address: string
  readonly request: string | null
  readonly response: string | null
  /** What is known where no answer was recorded. */
  readonly message: string | null
}) {
  const isAnswered = response !== null && response !== ''
  return (
    <div className="pair exchange">
      <div>
        <h3>
          Sent to {to}
          {request !== null && <CopyButton text={asCurl(request, address)} words="Copy as curl" />}
        </h3>
        <Payload value={request === null ? 'not recorded' : readable(request)} />
      </div>
      <div>
        <h3>
          Its answer
          {isAnswered && <CopyButton text={response} words="Copy" />}
        </h3>
        <Payload value={isAnswered ? `HTTP ${readable(response)}` : (message ?? 'no answer')} />
      </div>
    </div>
  )
}

function CopyButton({ text, words }: { readonly text: string; readonly words: string }) {
  return (
    <button
      type="button"
      className="btn s ghost"
      onClick={() =>
        void navigator.clipboard.writeText(text).then(
          () => toast({ tone: 'ok', title: 'Copied' }),
          () => toast({ tone: 'rest', title: 'The browser does not let busbar copy here' }),
        )
      }
    >
      <Copy className="i" aria-hidden="true" />
      {words}
    </button>
  )
}
