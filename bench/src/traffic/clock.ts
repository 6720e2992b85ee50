/** Milliseconds of a clock that all processes of the machine share and nobody sets. */
export function now(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000 + nanoseconds / 1e6
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
