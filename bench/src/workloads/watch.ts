/** Consoles that look at a hub: each follows its changes, and asks anew for Now, the problems and the newest events as a page does. */

/** As the console does. */
const spacingMs = 3_000
const lately = { 'cache-control': 'max-age=1' }
const looks = ['now', 'problems', 'events?limit=50', 'systems']

/** Begins to watch; what it gives back ends it and answers how many answers there were. */
export function watch(port: number, count: number): () => Promise<number> {
  const end = new AbortController()
  let answers = 0
  const one = async () => {
    const base = `http://127.0.0.1:${port}/api/v1`
    const ask = async () => {
      for (const look of looks) {
        const answer = await fetch(`${base}/${look}`, { headers: lately, signal: end.signal })
        await answer.arrayBuffer()
        if (answer.ok) answers++
      }
    }
    const stream = await fetch(`${base}/live`, { signal: end.signal })
    await ask()
    // A page asks when it is told, and once for what comes meanwhile.
    for await (const _ of stream.body ?? []) {
      await ask()
      await new Promise((resolve) => setTimeout(resolve, spacingMs))
    }
  }
  const all = Array.from({ length: count }, () => one().catch(() => undefined))
  return async () => {
    end.abort()
    await Promise.all(all)
    return answers
  }
}
