import { expect, it } from 'vitest'
import type { Journal } from '../journal/port.ts'
import type { ContractContext, JournalUnderTest } from './journal-under-test.ts'
import { flushOf, ownedGroup, publishKeys, row, unique } from './journal-under-test.ts'

/** The promises of `SystemsJournal` and `StatsJournal`. */
export function systemsContract(context: ContractContext): void {
  rateCases(context)
  permitCases(context)
  breakerCases(context)
  statsCases(context)
}

async function newSystem(
  world: JournalUnderTest,
): Promise<{ journal: Journal; system: number; name: string }> {
  const journal = world.sessions[0] as Journal
  const name = unique('system')
  const ids = await journal.registerSystems([{ name, address: 'http://localhost' }])
  return { journal, system: ids.get(name) as number, name }
}

async function newWorker(journal: Journal, leaseMs = 60_000): Promise<string> {
  const worker = unique('worker')
  await journal.join(worker, leaseMs)
  return worker
}

interface Grant {
  readonly askedAt: number
  readonly answeredAt: number
  readonly tokens: number
}

function rateCases({ world }: ContractContext): void {
  it('A14: eight askers at once never get more than max in any window', async () => {
    const { system } = await newSystem(world())
    const limit = { max: 40, perMs: 400, burst: 8 }
    const intervalMs = limit.perMs / (limit.max - limit.burst)
    const ask = { system, intervalMs, burstMs: limit.burst * intervalMs }
    const until = world().now() + 3 * limit.perMs
    const grants = (
      await Promise.all(Array.from({ length: 8 }, (_, asker) => hammer(world(), { asker, ask, until })))
    ).flat()
    for (const { askedAt } of grants) {
      const surelyWithin = grants.filter(
        (each) => each.askedAt >= askedAt && each.answeredAt <= askedAt + limit.perMs,
      )
      expect(sum(surelyWithin)).toBeLessThanOrEqual(limit.max)
    }
    expect(sum(grants)).toBeGreaterThan(limit.max)
    const lastedMs =
      Math.max(...grants.map((each) => each.answeredAt)) - Math.min(...grants.map((each) => each.askedAt))
    expect(sum(grants)).toBeLessThanOrEqual(limit.burst + lastedMs / intervalMs + 1)
  })

  it('grants all tokens or none, and says when to ask again', async () => {
    const { journal, system } = await newSystem(world())
    const ask = { system, intervalMs: 50, burstMs: 200 }
    expect(await journal.reserveRate({ ...ask, tokens: 4 })).toEqual({ granted: 4, retryInMs: 0 })
    const { granted, retryInMs } = await journal.reserveRate({ ...ask, tokens: 1 })
    expect(granted).toBe(0)
    expect(retryInMs).toBeGreaterThan(0)
    expect(retryInMs).toBeLessThanOrEqual(50)
    await world().advance(retryInMs + 1)
    expect(await journal.reserveRate({ ...ask, tokens: 1 })).toEqual({ granted: 1, retryInMs: 0 })
  })
}

/** Asks again and again, in chunks of one to three, as a worker does that needs more than it gets. */
async function hammer(
  world: JournalUnderTest,
  how: { asker: number; ask: { system: number; intervalMs: number; burstMs: number }; until: number },
): Promise<Grant[]> {
  const journal = world.sessions[how.asker % world.sessions.length] as Journal
  const grants: Grant[] = []
  for (let round = how.asker; world.now() < how.until; round++) {
    const askedAt = world.now()
    const { granted, retryInMs } = await journal.reserveRate({ ...how.ask, tokens: 1 + (round % 3) })
    if (granted > 0) grants.push({ askedAt, answeredAt: world.now(), tokens: granted })
    else await world.advance(retryInMs)
  }
  return grants
}

function sum(grants: readonly Grant[]): number {
  return grants.reduce((total, { tokens }) => total + tokens, 0)
}

function permitCases({ world, capabilities }: ContractContext): void {
  const ask = { limit: 10, timeoutMs: 50 }

  it('A14: gives what is left of the limit, and tells who asked that others wait', async () => {
    const { journal, system } = await newSystem(world())
    const [one, other] = [await newWorker(journal), await newWorker(journal)]
    const permits = (worker: string, want: number) => journal.permits({ ...ask, system, worker, want })
    expect(await permits(one, 8)).toEqual({ granted: 8, othersWaiting: 0 })
    expect(await permits(other, 8)).toEqual({ granted: 2, othersWaiting: 0 })
    expect(await permits(one, 8)).toEqual({ granted: 8, othersWaiting: 1 })
    expect(await permits(one, 3)).toEqual({ granted: 3, othersWaiting: 1 })
    expect(await permits(other, 8)).toEqual({ granted: 7, othersWaiting: 0 })
  })

  it('an ask for permits that lands after a later one changes nothing', async () => {
    const { journal, system } = await newSystem(world())
    const [one, other] = [await newWorker(journal), await newWorker(journal)]
    const permits = (worker: string, want: number, no: number) =>
      journal.permits({ ...ask, system, worker, want, no })
    expect(await permits(one, 2, 2)).toMatchObject({ granted: 2 })
    await permits(one, 10, 1)
    expect(await permits(other, 10, 1)).toMatchObject({ granted: 8 })
    expect(await permits(one, 0, 3)).toMatchObject({ granted: 0 })
    await permits(one, 2, 2)
    expect(await permits(other, 10, 2)).toMatchObject({ granted: 10 })
  })

  it('A14: keeps a dead worker’s permits until its last attempts must have ended', async () => {
    const { journal, system } = await newSystem(world())
    const [dying, other] = [await newWorker(journal, 1), await newWorker(journal)]
    await journal.permits({ ...ask, system, worker: dying, want: 10 })
    await world().advance(10)
    await journal.takeover(dying)
    const slow = { ...ask, system, worker: other, want: 4, timeoutMs: 60_000 }
    expect(await journal.permits(slow)).toMatchObject({ granted: 0 })
    await world().advance(60)
    expect(await journal.permits({ ...slow, timeoutMs: 50 })).toMatchObject({ granted: 4 })
  })

  it('gives none to a worker that is dead, has left, or has never joined', async () => {
    const { journal, system } = await newSystem(world())
    const [dead, left] = [await newWorker(journal, 1), await newWorker(journal)]
    await journal.leave(left)
    await world().advance(10)
    await journal.takeover(dead)
    for (const worker of [dead, left, unique('stranger')])
      expect(await journal.permits({ ...ask, system, worker, want: 1 })).toMatchObject({ granted: 0 })
    const permits = (await world().snapshot()).permits.filter((each) => each.system === system)
    expect(permits.filter((each) => each.n > 0)).toEqual([])
  })

  it.skipIf(!capabilities.concurrent)(
    'A14: the sum never exceeds the limit while workers ask, join and die',
    async () => {
      const { system } = await newSystem(world())
      let more = true
      const highest = (async () => {
        let most = 0
        while (more) {
          const { permits } = await world().snapshot()
          most = Math.max(
            most,
            permits.filter((each) => each.system === system).reduce((total, { n }) => total + n, 0),
          )
        }
        return most
      })()
      await Promise.all(
        world().sessions.map(async (journal, session) => {
          for (let life = 0; life < 4; life++) {
            const worker = await newWorker(journal, 0)
            for (let round = 0; round < 15; round++)
              await journal.permits({ ...ask, system, worker, want: (round * 5 + session) % 8, timeoutMs: 5 })
            await world().advance(1)
            await journal.takeover(worker)
          }
        }),
      )
      more = false
      expect(await highest).toBeLessThanOrEqual(ask.limit)
      expect(await highest).toBeGreaterThan(0)
    },
  )
}

function breakerCases({ world, capabilities }: ContractContext): void {
  const stateOf = async (journal: Journal, system: number) =>
    (await journal.states()).find((each) => each.id === system)

  it('shows an open breaker to everyone, with its reason and the time of its probe, until it closes', async () => {
    const { journal, system, name } = await newSystem(world())
    await journal.openBreaker({
      system,
      worker: 'w',
      reason: `${name} refuses connections`,
      probeInMs: 60_000,
    })
    const open = await stateOf(world().sessions.at(-1) as Journal, system)
    expect(open).toMatchObject({ name, breaker: 'open', reason: `${name} refuses connections` })
    expect(open?.probeInMs).toBeGreaterThan(0)
    expect(open?.probeInMs).toBeLessThanOrEqual(60_000)
    expect((await world().snapshot()).problems).toContainEqual(
      expect.objectContaining({ system: name, state: 'open' }),
    )
    await journal.closeBreaker(system, 'w')
    const closed = await stateOf(journal, system)
    expect(closed).toMatchObject({ breaker: 'closed', reason: null, probeInMs: null })
    expect(closed?.version).toBeGreaterThan(open?.version as number)
    expect((await world().snapshot()).problems.find((each) => each.system === name)).toMatchObject({
      state: 'resolved',
    })
  })

  const longMs = 60_000

  it('S11: one probe at a time, not before its time', async () => {
    const { journal, system } = await newSystem(world())
    const probe = (worker: string) => journal.tryProbe({ system, worker, timeoutMs: longMs })
    expect(await probe('early')).toBe(false)
    await journal.openBreaker({ system, worker: 'w', reason: 'down', probeInMs: 20 })
    await world().advance(30)
    expect(await probe('one')).toBe(true)
    expect(await stateOf(journal, system)).toMatchObject({ breaker: 'probing' })
    expect(await probe('two')).toBe(false)
    await journal.openBreaker({ system, worker: 'one', reason: 'still down', probeInMs: longMs })
    expect(await probe('two')).toBe(false)
  })

  it('S11: another may probe when the prober does not answer', async () => {
    const { journal, system } = await newSystem(world())
    await journal.openBreaker({ system, worker: 'w', reason: 'down', probeInMs: 0 })
    await world().advance(1)
    expect(await journal.tryProbe({ system, worker: 'one', timeoutMs: 20 })).toBe(true)
    await world().advance(30)
    expect(await journal.tryProbe({ system, worker: 'two', timeoutMs: longMs })).toBe(true)
    expect(await journal.tryProbe({ system, worker: 'one', timeoutMs: longMs })).toBe(false)
  })

  it.skipIf(!capabilities.concurrent)('S11: of all that try at once, one probes', async () => {
    const { journal, system } = await newSystem(world())
    await journal.openBreaker({ system, worker: 'w', reason: 'down', probeInMs: 0 })
    await world().advance(1)
    const won = await Promise.all(
      world().sessions.map((session, index) =>
        session.tryProbe({ system, worker: `w${index}`, timeoutMs: 60_000 }),
      ),
    )
    expect(won.filter(Boolean)).toHaveLength(1)
  })

  it('a throttle holds for everyone and only ever grows', async () => {
    const { journal, system } = await newSystem(world())
    expect((await stateOf(journal, system))?.throttledMs).toBeLessThanOrEqual(0)
    await journal.throttle(system, 60_000)
    await journal.throttle(system, 10)
    const { throttledMs } = (await stateOf(world().sessions.at(-1) as Journal, system))!
    expect(throttledMs).toBeGreaterThan(10)
    expect(throttledMs).toBeLessThanOrEqual(60_000)
  })
}

function statsCases({ world }: ContractContext): void {
  it('adds up the counters of a minute', async (test) => {
    const { sql } = world()
    const { journal, system } = await newSystem(world())
    const stat = {
      minute: Math.floor(Date.now() / 60_000),
      flow: 9_000,
      system,
      outcome: 'succeeded',
      count: 2,
      totalMs: 30,
      maxMs: 20,
    }
    for (const maxMs of [20, 15]) await journal.writeStats('w', [{ ...stat, maxMs }])
    if (!sql) return test.skip('only SQL can be asked for its statistics')
    const rows = await sql('SELECT count, total_ms, max_ms FROM stats WHERE system = $1 AND worker = $2', [
      system,
      'w',
    ])
    expect(rows).toEqual([{ count: 4, total_ms: 60, max_ms: 20 }])
  })

  it('a problem is resolved once no open run has it, and opens again with the next', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const fp = unique('fp')
    const problems = [{ fp, system: 'erp', code: 'call.invalid', title: 'no tax code' }]
    const state = async () => (await world().snapshot()).problems.find((each) => each.fp === fp)?.state
    const { sql } = world()
    const anHourLater = () =>
      sql
        ? sql(`UPDATE problems SET last_seen = last_seen - interval '1 h' WHERE fp = $1`, [fp])
        : world().advance(3_600_000)
    const park = (each: typeof a) => ({ runs: [row(owned, each!, { state: 4, fp })], problems })
    await owned.journal.flush(flushOf(owned, park(a)))
    await anHourLater()
    await owned.journal.writeStats(owned.worker, [])
    expect(await state()).toBe('open')
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'skip' })
    await owned.journal.writeStats(owned.worker, [])
    expect(await state()).toBe('resolved')
    await owned.journal.flush(flushOf(owned, park(b)))
    expect(await state()).toBe('open')
  })
}
