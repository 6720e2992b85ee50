/** So long after the last key, touch or move of the pointer somebody counts as being there. */
const forMs = 60_000
let lastAt = performance.now() // the page was just opened

for (const kind of ['keydown', 'pointerdown', 'pointermove', 'wheel', 'touchmove'])
  addEventListener(kind, () => (lastAt = performance.now()), { capture: true, passive: true })

/** Whether a person is at this page; what it asks otherwise, it asks by itself, and a session does not count it as use. */
export function isAttended(): boolean {
  return performance.now() - lastAt < forMs
}
