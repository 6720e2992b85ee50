import type { ReactElement } from 'react'

/** The state signs, our own. Round: busbar takes care of it. Square: a person must act. No frame: it was decided. */
const signs = {
  ask: (
    <>
      <rect
        x="1.9"
        y="1.9"
        width="12.2"
        height="12.2"
        rx="2.2"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
      />
      <path d="M8 5v3.4" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />
      <circle cx="8" cy="11" r="1.1" fill="currentColor" />
    </>
  ),
  connected: (
    <>
      <path d="M0 8h16" stroke="currentColor" strokeWidth="1.8" />
      <circle cx="4" cy="8" r="2.3" fill="currentColor" />
      <circle cx="12" cy="8" r="2.3" fill="currentColor" />
    </>
  ),
  cutOff: (
    <>
      <path d="M0 8h2M14.6 8H16" stroke="currentColor" strokeWidth="1.8" />
      <path d="M3.4 8 11.4 2.6" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
      <circle cx="3.4" cy="8.4" r="2.3" fill="currentColor" />
      <circle cx="12.8" cy="8.4" r="2.3" fill="currentColor" />
    </>
  ),
  paused: (
    <>
      <rect x="3" y="2.5" width="3.4" height="11" rx="1" fill="currentColor" />
      <rect x="9.6" y="2.5" width="3.4" height="11" rx="1" fill="currentColor" />
    </>
  ),
  trying: (
    <>
      <path d="M0 8h2M14 8h2" stroke="currentColor" strokeWidth="1.8" />
      <path d="M5.4 8h5.4" stroke="currentColor" strokeWidth="1.8" strokeDasharray="1.6 1.5" />
      <circle cx="3.6" cy="8" r="2.3" fill="currentColor" />
      <circle cx="12.4" cy="8" r="2.3" fill="currentColor" />
    </>
  ),
  slowed: (
    <>
      <path
        d="M2 12.6a6.6 6.6 0 1 1 12 0"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
      />
      <path d="M8 10.4 4.9 6.6" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />
      <circle cx="8" cy="10.4" r="1.6" fill="currentColor" />
    </>
  ),
  ok: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path
        d="M4.9 8.3 7.1 10.5 11.2 5.8"
        fill="none"
        stroke="var(--cut)"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
  park: (
    <>
      <rect x="1" y="1" width="14" height="14" rx="2.6" fill="currentColor" />
      <path d="M8 4.2v4.4" stroke="var(--cut)" strokeWidth="2" strokeLinecap="round" />
      <circle cx="8" cy="11.6" r="1.2" fill="var(--cut)" />
    </>
  ),
  retry: (
    <>
      <path
        d="M13.6 6.2A6 6 0 1 0 14 8.6"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
      />
      <path
        d="M14.4 2.4v4.2h-4.2"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
  run: (
    <>
      <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeOpacity=".28" strokeWidth="2" />
      <path d="M8 2a6 6 0 0 1 6 6" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
      <circle cx="8" cy="8" r="2.2" fill="currentColor" />
    </>
  ),
  skip: (
    <>
      <path
        d="M2.5 3.5 7 8l-4.5 4.5M7.5 3.5 12 8l-4.5 4.5M13.8 3.4v9.2"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
  superseded: (
    <>
      <path
        d="M3 7.8 8 2.8l5 5M3 13.2l5-5 5 5"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
  pending: (
    <>
      <circle
        cx="8"
        cy="8"
        r="6.1"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeDasharray="2.4 2.4"
      />
    </>
  ),
  undo: (
    <>
      <path
        d="M5.6 2.6 2.4 5.8l3.2 3.2"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <path
        d="M2.8 5.8h6.4a4 4 0 0 1 0 8H5.6"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
      />
    </>
  ),
  wait: (
    <>
      <circle cx="8" cy="8" r="6.1" fill="none" stroke="currentColor" strokeWidth="1.8" />
      <path
        d="M8 4.6V8l2.3 1.6"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
} as const satisfies Readonly<Record<string, ReactElement>>

export type SignName = keyof typeof signs

/** The lines of a sign, for pictures that have a canvas of their own: 16 units square. */
export function SignShape({ name }: { readonly name: SignName }) {
  return signs[name]
}

/** A sign; the word beside it says the same, so it is hidden from readers of the screen. */
export function Sign({ name, large = false }: { readonly name: SignName; readonly large?: boolean }) {
  const turns = name === 'run' ? ' spin' : ''
  return (
    <svg className={`si${turns}${large ? ' l' : ''}`} viewBox="0 0 16 16" aria-hidden="true">
      {signs[name]}
    </svg>
  )
}
