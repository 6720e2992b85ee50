/** A system's breaker in the line from the bar: closed, open with a lifted contact, or half closed. */
export function Breaker({ standing }: { readonly standing: string }) {
  const closed = standing === 'connected' || standing === 'slowed'
  return (
    <svg viewBox="0 0 32 44" aria-hidden="true">
      <path className="wire" d={closed ? 'M16 0V44' : 'M16 0V9'} />
      {!closed && <path className="wire off" d="M16 35V44" />}
      {closed && <path d="M16 12V33" stroke="currentColor" strokeWidth="3.2" />}
      {standing === 'trying' && (
        <path d="M16 13V32" stroke="currentColor" strokeWidth="3.2" strokeDasharray="3 2.6" />
      )}
      {!closed && standing !== 'trying' && (
        <path d="M16 33 28 16" stroke="currentColor" strokeWidth="3.2" strokeLinecap="round" />
      )}
      <circle cx="16" cy="11.5" r="3.6" fill="currentColor" />
      <circle cx="16" cy="33" r="3.6" fill="currentColor" />
    </svg>
  )
}
