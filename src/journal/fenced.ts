import { BusbarError } from '../errors.ts'

/** A passed epoch is an answer, not an error: the caller stops writing. */
export async function fenced<T>(call: () => Promise<T>): Promise<T | 'lost'> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof BusbarError && error.code === 'journal.lease-lost') return 'lost'
    throw error
  }
}
