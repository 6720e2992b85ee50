import { setTimeout as sleep } from 'node:timers/promises'
import type { Systems } from './faults.ts'
import type { Screen } from './screen.ts'
import type { Wholesale } from './wholesale.ts'

/** What the systems hold of an order: how many documents each. */
export interface Holdings {
  readonly erp: number
  readonly accounting: number
  readonly logistics: number
}

/** How the three orders of the story ended, as the systems tell it. */
export interface Story {
  /** The order without a tax code, while it waited for a person. */
  readonly held: Holdings
  /** The same order after a person had entered the tax code. */
  readonly mended: Holdings
  /** The order that logistics never takes, after it was undone. */
  readonly undone: Holdings
  /** Whether all three are as they should be. */
  readonly balanced: boolean
}

interface Run {
  readonly state: string
  readonly why: string
}

const flow = 'fulfil-wholesale'
const pollMs = 50
const listOf = new Intl.ListFormat('en-GB')
const patienceMs = 30_000
const order = { customer: 'C-900', country: 'DE', totalCents: 129_000 } as const

/**
 * Two orders that are sold, invoiced and shipped in one process, each with something wrong: one is mended by a person and
 * goes on where it stood, the other is undone. Acts through busbar's own HTTP API, as a person's console would.
 */
export async function tellWholesale({
  url,
  systems,
  screen,
}: {
  readonly url: string
  readonly systems: Systems
  readonly screen: Pick<Screen, 'say'>
}): Promise<Story> {
  const api = new Api(url)
  screen.say(
    '\nThen orders that three systems must agree on: sale, invoice, shipment,\nin this order or not at all.',
  )

  const forgotten = await api.publish({ ...order, number: 'WH-1' })
  await api.until(forgotten, 'parked')
  const held = holdings(systems, 'WH-1')
  screen.say(`  WH-1 has no tax code. ${told(held)}\n  It waits for a person; nothing is shipped.`)
  await api.post(`/runs/${flow}/${forgotten}/steps/invoice/edit`, {
    data: { ...order, number: 'WH-1', taxCode: 'DE129273398' },
    reason: 'the customer told it by phone',
  })
  await api.until(forgotten, 'succeeded')
  const mended = holdings(systems, 'WH-1')
  screen.say(`  A person enters the tax code and retries: the sale is not made again.\n  ${told(mended)}`)

  const refused = await api.publish({ ...order, number: 'WH-2', country: 'AQ', taxCode: 'DE129273398' })
  await api.until(refused, 'parked')
  screen.say(`  WH-2 goes to Antarctica, where no carrier goes.\n  ${told(holdings(systems, 'WH-2'))}`)
  await api.until(refused, 'compensated')
  const undone = holdings(systems, 'WH-2')
  screen.say(
    `  Nobody mends it, so after 5 s busbar undoes what was done, last step first.\n  ${told(undone)}`,
  )
  const balanced =
    same(held, { erp: 1, accounting: 0, logistics: 0 }) &&
    same(mended, { erp: 1, accounting: 1, logistics: 1 }) &&
    same(undone, { erp: 0, accounting: 0, logistics: 0 })
  return { held, mended, undone, balanced }
}

function holdings(systems: Systems, reference: string): Holdings {
  const held = (name: keyof Systems) =>
    systems[name].documents.filter((document) => document.reference === reference).length
  return { erp: held('erp'), accounting: held('accounting'), logistics: held('logistics') }
}

function told({ erp, accounting, logistics }: Holdings): string {
  const named = [erp > 0 && 'a sale', accounting > 0 && 'an invoice', logistics > 0 && 'a shipment'].filter(
    (word) => word !== false,
  )
  return named.length === 0 ? 'No system holds anything.' : `The systems hold ${listOf.format(named)}.`
}

function same(one: Holdings, other: Holdings): boolean {
  return one.erp === other.erp && one.accounting === other.accounting && one.logistics === other.logistics
}

/** busbar's door and its control API, as far as the story needs them. */
class Api {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** Publishes an order; answers its place in the log. */
  async publish(data: Wholesale): Promise<number> {
    const event = {
      specversion: '1.0',
      id: data.number,
      source: 'urn:example:wholesale',
      type: 'shop.wholesale.placed',
      data,
    }
    const { seq } = (await this.#send('/events', 'application/cloudevents+json', event)) as { seq: number }
    return seq
  }

  post(path: string, body: object): Promise<unknown> {
    return this.#send(`/api/v1${path}`, 'application/json', body)
  }

  /** Resolves when the run of this event is in that state; rejects with what it is instead. */
  async until(seq: number, state: string): Promise<void> {
    const deadline = performance.now() + patienceMs
    let seen: Run | undefined
    while (seen?.state !== state) {
      if (performance.now() > deadline)
        throw new Error(
          `run ${flow}/${seq} should be ${state}, and is ${JSON.stringify(seen?.why ?? 'pending')}`,
        )
      await sleep(pollMs)
      const response = await fetch(`${this.#url}/api/v1/runs/${flow}/${seq}`)
      if (response.ok) seen = (await response.json()) as Run
    }
  }

  async #send(path: string, type: string, body: object): Promise<unknown> {
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { 'content-type': type },
      body: JSON.stringify(body),
    })
    const answer: unknown = await response.json()
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${JSON.stringify(answer)}`)
    return answer
  }
}
