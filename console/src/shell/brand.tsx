/** The mark: systems hang from one bar, one of them lifted off. */
export function Mark() {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d="M1 3.2h18v3.6H1z" fill="currentColor" />
      <path d="M4 6.8V17M10 6.8v3M16 6.8V17M10 13.6V17" stroke="currentColor" strokeWidth="2.2" fill="none" />
      <path d="M10 13.8 13 9.4" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
    </svg>
  )
}
