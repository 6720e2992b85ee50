import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap of a process that only runs busbar near what it holds: V8 lets it grow to four times the live objects
 * before it collects the old ones, here to twice, for about 5 % of its CPU. The young generation, of which some 2 MB survive,
 * is collected by one thread: to wait for helpers costs more than they help, 3 % of the CPU of an event on two cores. The
 * figures are in docs/operations.md. Not for `createHub`, whose process belongs to the user.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=100')
  setFlagsFromString('--no-parallel-scavenge')
}
