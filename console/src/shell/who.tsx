import { User } from 'lucide-react'

/** Who is here. */
export function Who() {
  return (
    <>
      <div className="who">
        <span className="avatar">
          <User className="i" aria-hidden="true" />
        </span>
        You, on this machine
      </div>
      No sign-in is asked for
    </>
  )
}
