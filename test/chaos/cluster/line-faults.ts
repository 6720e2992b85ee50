import type { ChaosProxy, Direction, ProxyCounts } from '../proxy.ts'

export type LineFault = 'cut' | 'refuse' | 'delay' | 'drip' | 'halfClose' | 'swallow'

/** Makes a line bad; answers which count shows that it met something. */
type Make = (line: ChaosProxy, direction: Direction, luck: number) => Promise<keyof ProxyCounts>

/** Until it is healed; `luck` is in [0, 1). */
export const lineFaults: Readonly<Record<LineFault, Make>> = {
  cut: async (line) => {
    line.cut()
    return 'cut'
  },
  refuse: async (line) => {
    await line.refuse()
    line.cut()
    return 'cut'
  },
  delay: async (line, _direction, luck) => {
    line.impair('both', { delayMs: 10 + luck * 60, jitterMs: 60 })
    return 'delayed'
  },
  drip: async (line, direction) => {
    line.impair(direction, { bytesPerSecond: 20_000 })
    return 'dripped'
  },
  halfClose: async (line, direction) => {
    line.halfClose(direction)
    return 'halfClosed'
  },
  swallow: async (line, direction, luck) => {
    line.impair(luck * 7 - Math.floor(luck * 7) < 0.3 ? 'both' : direction, { swallows: true })
    return 'swallowed'
  },
}
