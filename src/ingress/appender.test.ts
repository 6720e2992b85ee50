import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { ErrorCode } from '../errors.ts'
import { BusbarError } from '../errors.ts'
import type { AppendResult, NewEvent } from '../journal/port.ts'
import type { AppenderDeps } from './appender.ts'
import { Appender } from './appender.ts'

/** A log at the port: what was asked of it, and appends that end when the test says so. */
class FakeLog {
  readonly asked: string[][] = []
  readonly stored: string[] = []
  inFlight = 0
  mostInFlight = 0
  /** What the database would refuse, or fail at; answered at once where `gate` is open. */
  fails: (ids: readonly string[]) => BusbarError | undefined = () => undefined
  readonly #waiting: (() => void)[] = []
  held = false

  async append(events: readonly NewEvent[]): Promise<AppendResult> {
    const ids = events.map(({ id }) => id)
    this.asked.push(ids)
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else await Promise.resolve()
    this.inFlight--
    const failure = this.fails(ids)
    if (failure) throw failure
    const prev = this.stored.length
    this.stored.push(...ids)
    const results = ids.map((_, at) => ({ kind: 'stored' as const, seq: prev + at + 1 }))
    return { prev, head: this.stored.length, receivedAt: 0, results }
  }

  /** Ends the append that is under way. */
  release(): void {
    this.#waiting.shift()?.()
  }
}

const event = (id: string, data = '{}'): NewEvent => ({
  source: 'urn:test',
  id,
  type: 'order.placed',
  key: null,
  khash: 0,
  data,
  ext: '{}',
})

function appenderOn(log: FakeLog, options: Partial<AppenderDeps> = {}): Appender {
  return new Appender({ log: () => log, maxPending: { events: 10_000, bytes: 1e9 }, ...options })
}

const failure = (code: ErrorCode) => new BusbarError(code, 'the database says no')
const codeOf = (result: PromiseSettledResult<unknown>) =>
  result.status === 'rejected' ? (result.reason as BusbarError).code : 'stored'
const codesOf = async (promises: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(promises)).map(codeOf)

describe('group commit', () => {
  it('commits a single event alone', async () => {
    const log = new FakeLog()
    await expect(appenderOn(log).append(event('a'))).resolves.toEqual({ kind: 'stored', seq: 1 })
    expect(log.asked).toEqual([['a']])
  })

  it('gathers what arrives during an append into the next one, in order', async () => {
    const log = new FakeLog()
    log.held = true
    const appender = appenderOn(log)
    const first = appender.append(event('a'))
    await vi.waitFor(() => expect(log.inFlight).toBe(1))
    const later = ['b', 'c', 'd'].map((id) => appender.append(event(id)))
    log.release()
    await first
    await vi.waitFor(() => expect(log.inFlight).toBe(1))
    log.release()
    expect(await Promise.all(later)).toEqual([2, 3, 4].map((seq) => ({ kind: 'stored', seq })))
    expect(log.asked).toEqual([['a'], ['b', 'c', 'd']])
  })

  it('has at most one append under way, and loses, doubles or reorders nothing, whatever the arrivals', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5), { maxLength: 40 }), async (pauses) => {
        const log = new FakeLog()
        const appender = appenderOn(log)
        const sent: Promise<unknown>[] = []
        for (const [at, pause] of pauses.entries()) {
          for (let turn = 0; turn < pause; turn++) await Promise.resolve()
          sent.push(appender.append(event(String(at))))
        }
        await Promise.all(sent)
        expect(log.mostInFlight).toBeLessThanOrEqual(1)
        expect(log.stored).toEqual(pauses.map((_, at) => String(at)))
      }),
    )
  })

  it('keeps an append to 500 events and a mebibyte, and lets a larger event pass alone', async () => {
    const log = new FakeLog()
    const appender = appenderOn(log)
    const half = 'x'.repeat(524_288)
    await Promise.all([
      ...Array.from({ length: 1_100 }, (_, at) => appender.append(event(`small-${at}`))),
      ...[half, half, half, `${half}${half}${half}`, half].map((data, at) =>
        appender.append(event(`large-${at}`, data)),
      ),
    ])
    expect(log.asked.map((ids) => ids.length)).toEqual([500, 500, 101, 2, 1, 1])
  })

  it('tells the worker of the same process what was stored, before the publisher knows', async () => {
    const log = new FakeLog()
    const told: unknown[] = []
    const appender = appenderOn(log, {
      onAppended: ({ prev, head, events }) => told.push({ prev, head, seqs: events.map(({ seq }) => seq) }),
    })
    await appender.append(event('a')).then(() => told.push('answered'))
    expect(told).toEqual([{ prev: 0, head: 1, seqs: [1] }, 'answered'])
  })

  it('hands over stored events only, not duplicates or conflicts', async () => {
    const handed: string[] = []
    const result: AppendResult = {
      prev: 7,
      head: 9,
      receivedAt: 1,
      results: [
        { kind: 'duplicate', seq: 3 },
        { kind: 'stored', seq: 9 },
        { kind: 'conflict', seq: 4 },
      ],
    }
    const appender = new Appender({
      log: () => ({ append: async () => result }),
      maxPending: { events: 10, bytes: 1_000 },
      onAppended: ({ events }) => handed.push(...events.map(({ id }) => id)),
    })
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => appender.append(event(id))))
    expect(answers).toEqual(result.results)
    expect(handed).toEqual(['b'])
  })
})

describe('bounds', () => {
  it.each([
    ['events', { events: 3, bytes: 1e9 }],
    ['bytes', { events: 1_000, bytes: 6 }],
  ])(
    'answers overloaded past the bound of waiting %s, and takes events again afterwards',
    async (_what, maxPending) => {
      const log = new FakeLog()
      log.held = true
      const appender = appenderOn(log, { maxPending })
      const first = appender.append(event('first'))
      await vi.waitFor(() => expect(log.inFlight).toBe(1))
      const waiting = ['a', 'b', 'c'].map((id) => appender.append(event(id)))
      expect(await codesOf([appender.append(event('d')), appender.append(event('e'))])).toEqual([
        'overloaded',
        'overloaded',
      ])
      log.held = false
      log.release()
      await Promise.all([first, ...waiting])
      await appender.append(event('f'))
      expect(log.stored).toEqual(['first', 'a', 'b', 'c', 'f'])
    },
  )

  it('takes all the events of a request or none, also a request larger than the bound', async () => {
    const log = new FakeLog()
    log.held = true
    const appender = appenderOn(log, { maxPending: { events: 3, bytes: 1e9 } })
    const all = appender.appendAll(['a', 'b', 'c', 'd'].map((id) => event(id)))
    await vi.waitFor(() => expect(log.inFlight).toBe(1))
    const next = appender.appendAll(['e', 'f', 'g', 'h'].map((id) => event(id)))
    expect(await codesOf([appender.appendAll([event('i')])])).toEqual(['overloaded'])
    log.held = false
    log.release()
    expect((await all).map(codeOf)).toEqual(Array(4).fill('stored'))
    expect((await next).map(codeOf)).toEqual(Array(4).fill('stored'))
    expect(log.asked).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f', 'g', 'h'],
    ])
  })
})

describe('failures', () => {
  it('does not repeat an append of unknown outcome, and says so to each of its publishers', async () => {
    const log = new FakeLog()
    log.fails = (ids) => (ids.includes('a') ? failure('journal.unavailable') : undefined)
    const appender = appenderOn(log)
    expect(await codesOf(['a', 'b', 'c'].map((id) => appender.append(event(id))))).toEqual(
      Array(3).fill('journal.unavailable'),
    )
    expect(log.asked).toEqual([['a', 'b', 'c']])
    await expect(appender.append(event('d'))).resolves.toMatchObject({ kind: 'stored' })
  })

  it('takes any error that is not a refusal for an unknown outcome, and keeps it as the cause', async () => {
    const cause = new TypeError('socket hang up')
    const appender = new Appender({
      log: () => ({ append: () => Promise.reject(cause) }),
      maxPending: { events: 10, bytes: 1_000 },
    })
    await expect(appender.append(event('a'))).rejects.toMatchObject({ code: 'journal.unavailable', cause })
  })

  it('halves a refused batch until the bad events alone have failed, and stores the others in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), async (good) => {
        const log = new FakeLog()
        const isBad = (id: string) => good[Number(id)] === false
        log.fails = (ids) => (ids.some(isBad) ? failure('event.invalid') : undefined)
        const appender = appenderOn(log)
        const codes = await codesOf(good.map((_, at) => appender.append(event(String(at)))))
        expect(codes).toEqual(good.map((isGood) => (isGood ? 'stored' : 'event.invalid')))
        expect(log.stored).toEqual(good.flatMap((isGood, at) => (isGood ? [String(at)] : [])))
        expect(log.mostInFlight).toBe(1)
      }),
    )
  })

  it('stops halving where the outcome of a half is unknown: that half is not repeated', async () => {
    const log = new FakeLog()
    log.fails = (ids) => {
      if (ids.length === 4) return failure('event.invalid')
      return ids.includes('a') ? failure('journal.unavailable') : undefined
    }
    const appender = appenderOn(log)
    expect(await codesOf(['a', 'b', 'c', 'd'].map((id) => appender.append(event(id))))).toEqual([
      'journal.unavailable',
      'journal.unavailable',
      'stored',
      'stored',
    ])
    expect(log.asked).toEqual([
      ['a', 'b', 'c', 'd'],
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  it('answers for each event of a request', async () => {
    const log = new FakeLog()
    log.fails = (ids) => (ids.includes('b') ? failure('event.invalid') : undefined)
    const results = await appenderOn(log).appendAll(['a', 'b', 'c'].map((id) => event(id)))
    expect(results.map(codeOf)).toEqual(['stored', 'event.invalid', 'stored'])
  })
})

describe('stop', () => {
  it('takes nothing new, and resolves when what was taken is settled', async () => {
    const log = new FakeLog()
    log.held = true
    const appender = appenderOn(log)
    const settled: string[] = []
    const taken = ['a', 'b'].map((id) => appender.append(event(id)).then(() => settled.push(id)))
    const stopped = appender.stop().then(() => settled.push('stopped'))
    expect(await codesOf([appender.append(event('c')), appender.appendAll([event('d')])])).toEqual([
      'overloaded',
      'overloaded',
    ])
    await vi.waitFor(() => expect(log.inFlight).toBe(1))
    log.release()
    await Promise.all([...taken, stopped])
    expect(settled).toEqual(['a', 'b', 'stopped'])
  })

  it('is safe to call twice, and at rest', async () => {
    const appender = appenderOn(new FakeLog())
    await appender.stop()
    await appender.stop()
  })
})
