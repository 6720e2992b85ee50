import { expect, it } from 'vitest'
import type { Appended, Journal, NewEvent, ReadWindow } from '../journal/port.ts'
import type { ContractContext } from './journal-under-test.ts'
import { event, unique } from './journal-under-test.ts'

/** The promises of `EventLog`. */
export function logContract(context: ContractContext): void {
  appendCases(context)
  duplicateCases(context)
  refusalCases(context)
  windowCases(context)
}

const first = ({ world }: ContractContext) => world().sessions[0] as Journal

/** A window of the log; by default of this suite's usual type, all partitions, and without bounds. */
export function window(more: Partial<ReadWindow> & Pick<ReadWindow, 'after' | 'upTo'>): ReadWindow {
  return { types: ['test'], part: 0, parts: 1, limit: 10_000, maxBytes: 100_000_000, ...more }
}

function appendCases(context: ContractContext): void {
  it('stores a batch in the order given and answers with the head before and after it', async () => {
    const journal = first(context)
    const before = await journal.head()
    const events = [event(), event({ key: 'k' }), event({ key: '' })]
    const result = await journal.append(events)
    const seqs = [before + 1, before + 2, before + 3]
    expect(result).toMatchObject({ prev: before, head: before + 3 })
    expect(result.results).toEqual(seqs.map((seq) => ({ kind: 'stored', seq })))
    expect(await journal.head()).toBe(before + 3)
  })

  it('keeps every attribute to the last byte', async () => {
    const journal = first(context)
    const odd = event({
      key: 'ключ "quoted" \\ , {a}',
      data: '{ "a": 1.10,\n\t"emoji":"😀", "n":12345678901234567890 }',
      ext: '{"subject":"é"}',
      source: `/shop/${'x'.repeat(240)}`,
    })
    const { results, receivedAt } = await journal.append([odd])
    const [stored] = await journal.get([results[0]?.seq as number])
    expect(stored).toEqual({ ...odd, seq: results[0]?.seq, receivedAt })
  })

  it('tells an absent key from an empty one, in a batch of one too', async () => {
    const journal = first(context)
    const keys: (string | null)[] = []
    for (const key of [null, '', 'k']) {
      const { results } = await journal.append([{ ...event(), key }])
      keys.push((await journal.get([results[0]?.seq as number]))[0]?.key ?? null)
    }
    expect(keys).toEqual([null, '', 'k'])
  })

  it('receives events at times that never fall along the log', async () => {
    const journal = first(context)
    const after = await journal.head()
    for (let batch = 0; batch < 5; batch++) await journal.append([event(), event()])
    const { events } = await journal.read(window({ after, upTo: await journal.head() }))
    const times = events.map((each) => each.receivedAt)
    expect(times).toEqual([...times].sort((one, other) => one - other))
  })

  it('gives the events that are asked for, and nothing for places where there is none', async () => {
    const journal = first(context)
    const { results } = await journal.append([event({ id: unique('a') }), event()])
    const seqs = results.map((result) => result.seq)
    expect((await journal.get([...seqs, 999_999_999])).map((each) => each.seq).sort()).toEqual(
      [...seqs].sort(),
    )
    expect(await journal.get([])).toEqual([])
  })
}

function duplicateCases(context: ContractContext): void {
  const twice = async (one: NewEvent, other: NewEvent) => {
    const journal = first(context)
    const stored = (await journal.append([one])).results[0] as Appended
    const again = (await journal.append([other])).results[0] as Appended
    expect(again.seq).toBe(stored.seq)
    expect((await journal.get([stored.seq]))[0]?.data).toBe(one.data)
    return again.kind
  }

  it('calls an event with equal bytes a duplicate and gives the first place', async () => {
    const one = event({ data: '{"a":1}', key: 'k' })
    expect(await twice(one, one)).toBe('duplicate')
  })

  it('calls an event with equal JSON in other spacing a duplicate, also when other attributes differ', async () => {
    const one = event({ data: '{"a":1,"b":2}' })
    expect(await twice(one, { ...one, data: '{ "b": 2, "a": 1 }', ext: '{"time":"later"}' })).toBe(
      'duplicate',
    )
  })

  it('calls other data, another type or another key a conflict, keeps the first and records the refusal', async () => {
    const one = event({ data: '{"a":1}', key: 'k' })
    expect(await twice(one, { ...one, data: '{"a":2}' })).toBe('conflict')
    for (const change of [{ type: 'other' }, { key: 'other' }, { key: null }, { data: '{"a":1,"b":1}' }]) {
      const fresh = event({ data: '{"a":1}', key: 'k' })
      expect(await twice(fresh, { ...fresh, ...change })).toBe('conflict')
      const { refusals } = await context.world().snapshot()
      expect(refusals.filter((each) => each.id === fresh.id)).toMatchObject([{ code: 'event.conflict' }])
    }
  })

  it('calls numbers that are equal only as doubles a conflict', async () => {
    const one = event({ data: '{"order":9007199254740993}' })
    expect(await twice(one, { ...one, data: '{"order":9007199254740992}' })).toBe('conflict')
  })

  it('judges one identity twice within a batch as if they had come one after the other', async () => {
    const journal = first(context)
    const one = event({ data: '1' })
    const { results, prev, head } = await journal.append([
      one,
      event(),
      { ...one, data: ' 1' },
      { ...one, data: '2' },
    ])
    const [a, b] = [prev + 1, prev + 2]
    expect(results.map((result) => result.kind)).toEqual(['stored', 'stored', 'duplicate', 'conflict'])
    expect(results.map((result) => result.seq)).toEqual([a, b, a, a])
    expect(head).toBe(b)
  })

  it('leaves the head where it is when nothing in the batch is new', async () => {
    const journal = first(context)
    const events = [event(), event()]
    const { head } = await journal.append(events)
    expect(await journal.append(events)).toMatchObject({ prev: head, head })
  })

  it('takes equal ids of two sources for two events', async () => {
    const one = event()
    const { results } = await first(context).append([one, { ...one, source: 'elsewhere' }])
    expect(results.map((result) => result.kind)).toEqual(['stored', 'stored'])
  })
}

function refusalCases(context: ContractContext): void {
  const bad: Readonly<Record<string, Partial<NewEvent>>> = {
    'a NUL in the id': { id: 'nul\0' },
    'a NUL in the data': { data: '"\0"' },
    'an incompressible id of 9 KB': { id: noise(9_000) },
    'an incompressible key of 9 KB': { key: noise(9_000), khash: 1 },
  }
  for (const [what, fault] of Object.entries(bad)) {
    it(`A10: refuses ${what} as event.invalid and stores nothing of its batch`, async () => {
      const journal = first(context)
      const head = await journal.head()
      await expect(journal.append([event(), event(fault), event()])).rejects.toMatchObject({
        code: 'event.invalid',
      })
      expect(await journal.head()).toBe(head)
      expect((await journal.append([event()])).prev).toBe(head)
    })
  }
}

/** Text that does not compress, by a linear congruential generator. */
function noise(length: number): string {
  let state = 42
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return String.fromCharCode(33 + ((state >>> 16) % 90))
  }).join('')
}

function windowCases(context: ContractContext): void {
  it('A2: knows a window without a match up to its end, so a rare type costs one window at a time', async () => {
    const journal = first(context)
    const type = unique('rare')
    const after = await journal.head()
    await journal.append([...Array.from({ length: 50 }, () => event()), event({ type })])
    const upTo = after + 40
    expect(await journal.read(window({ after, upTo, types: [type] }))).toEqual({ events: [], readTo: upTo })
    const rest = await journal.read(window({ after: upTo, upTo: after + 51, types: [type] }))
    expect(rest.events.map((each) => each.seq)).toEqual([after + 51])
    expect(rest.readTo).toBe(after + 51)
  })

  it('reads only the types and the partition that are asked for, and nothing outside the window', async () => {
    const journal = first(context)
    const type = unique('type')
    const after = await journal.head()
    await journal.append([0, 1, 2, 3, 4, 5].map((khash) => event({ type, khash })))
    await journal.append([event()])
    const { events, readTo } = await journal.read(
      window({ after: after + 1, upTo: after + 5, types: [type, 'none'], part: 1, parts: 2 }),
    )
    expect(events.map((each) => each.khash)).toEqual([1, 3])
    expect(readTo).toBe(after + 5)
  })

  it('reads only the hash slots that are asked for', async () => {
    const journal = first(context)
    const after = await journal.head()
    const { head } = await journal.append([0, 1, 63, 64, 65, 128].map((khash) => event({ khash })))
    const { events, readTo } = await journal.read(window({ after, upTo: head, slots: [1, 63] }))
    expect(events.map((each) => each.khash)).toEqual([1, 63, 65])
    expect(readTo).toBe(head)
  })

  it('stops at the limit and says how far it has come', async () => {
    const journal = first(context)
    const after = await journal.head()
    await journal.append([event(), event(), event({ type: 'other' }), event()])
    const { events, readTo } = await journal.read(window({ after, upTo: after + 4, limit: 2 }))
    expect(events.map((each) => each.seq)).toEqual([after + 1, after + 2])
    expect(readTo).toBe(after + 2)
  })

  it('stops before the event that exceeds the bytes, but reads at least one', async () => {
    const journal = first(context)
    const after = await journal.head()
    const huge = JSON.stringify('x'.repeat(50_000))
    await journal.append([event({ data: '"small"' }), event({ data: huge }), event({ data: huge })])
    const bounds = { upTo: after + 3, maxBytes: 10_000 }
    const small = await journal.read(window({ after, ...bounds }))
    expect(small.events.map((each) => each.seq)).toEqual([after + 1])
    const big = await journal.read(window({ after: small.readTo, ...bounds }))
    expect(big.events.map((each) => [each.seq, each.data.length])).toEqual([[after + 2, huge.length]])
    expect((await journal.read(window({ after: big.readTo, ...bounds }))).readTo).toBe(after + 3)
  })
}
