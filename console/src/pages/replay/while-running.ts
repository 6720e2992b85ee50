import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'

const everyMs = 1_000

/** Asks anew for a topic each second while something of it runs and the page is looked at: runs end too often to be told each time. */
export function useWhileRunning(topic: string, runs: boolean): void {
  const queries = useQueryClient()
  useEffect(() => {
    if (!runs) return
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void queries.invalidateQueries({ queryKey: [topic] })
    }, everyMs)
    return () => clearInterval(timer)
  }, [queries, topic, runs])
}
