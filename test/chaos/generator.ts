/**
 * Publishes the events of a plan, spread over the time given, to several doors; sends each again, with the same id, until
 * it is acknowledged. Now and then it sends what it has sent already, and other data under a known id. Each
 * acknowledgement is one line in an append-only file.
 */
import { createWriteStream } from 'node:fs'
import { request } from 'undici'
import { dealKinds, eventsPerDeal, seeded } from './plan.ts'

/** One acknowledgement, or an answer that must not be. */
export interface AckRecord {
  readonly id: string
  readonly seq: number
  readonly duplicate: boolean
  /** Which of the sendings: `first` until acknowledged, `again` with the same data, `other` with other data. */
  readonly sending: 'first' | 'again' | 'other'
  readonly status: number
  readonly tries: number
}

const settings = JSON.parse(process.argv[2] ?? '{}') as {
  seed: number
  events: number
  keys: number
  overMs: number
  doors: string[]
  file: string
  /** Says how far it is after so many events; default 1,000. */
  sayEvery?: number
}
const random = seeded(settings.seed)
const acks = createWriteStream(settings.file, { flags: 'a' })
let acknowledged = 0
let resent = 0

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function post(
  door: string,
  id: string,
  data: object,
  type: string,
): Promise<{ status: number; seq: number; duplicate: boolean }> {
  const event = { specversion: '1.0', id, source: 'urn:chaos', type, data }
  try {
    const answer = await request(`${door}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
      headersTimeout: 10_000,
    })
    const body = (await answer.body.json()) as { seq?: number; duplicate?: boolean }
    return { status: answer.statusCode, seq: body.seq ?? 0, duplicate: body.duplicate ?? false }
  } catch {
    return { status: 0, seq: 0, duplicate: false } // no answer: it may be stored or not
  }
}

/** Sends until there is an answer that says something; 503 and silence say: send again. */
async function sendUntilAnswered(
  id: string,
  data: object,
  sending: AckRecord['sending'],
  type = 'chaos.order.placed',
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const door = settings.doors[Math.floor(random() * settings.doors.length)] ?? ''
    const { status, seq, duplicate } = await post(door, id, data, type)
    if (status === 0 || status === 503) {
      resent++
      await sleep(50 + random() * 200)
      continue
    }
    const record: AckRecord = { id, seq, duplicate, sending, status, tries }
    acks.write(`${JSON.stringify(record)}\n`)
    return
  }
}

async function publish(number: number): Promise<void> {
  const id = `e-${number}`
  const data = {
    number: `SO-${Math.floor(random() * settings.keys)}`,
    revision: number,
    note: 'x'.repeat(Math.floor(random() * 600)),
  }
  const luck = random()
  await sendUntilAnswered(id, data, 'first')
  acknowledged++
  if (luck < 0.1) await sendUntilAnswered(id, data, 'again')
  else if (luck < 0.11) await sendUntilAnswered(id, { ...data, revision: -1 }, 'other')
  if (number % eventsPerDeal === 0) await publishDeal(number)
}

/** An order that goes through three systems: undone where it is refused, or held. */
async function publishDeal(number: number): Promise<void> {
  const kind = dealKinds[(number / eventsPerDeal) % 2] ?? 'undone'
  const key = `${kind}-${Math.floor(random() * settings.keys)}`
  await sendUntilAnswered(
    `${kind}-${number}`,
    { number: key, revision: number, note: '' },
    'first',
    `chaos.deal.${kind}`,
  )
}

const maxUnderWay = 64
const { sayEvery = 1_000 } = settings
const underWay = new Set<Promise<void>>()
const startedAt = performance.now()
let enough = false
process.once('message', () => (enough = true))
process.once('disconnect', () => process.exit(1)) // the run was killed
let published = 0
for (let number = 1; number <= settings.events && !enough; number++) {
  const dueMs = (number / settings.events) * settings.overMs - (performance.now() - startedAt)
  if (dueMs > 1) await sleep(dueMs)
  if (underWay.size >= maxUnderWay) await Promise.race(underWay)
  const one = publish(number).finally(() => underWay.delete(one))
  underWay.add(one)
  published = number
  if (number % sayEvery === 0) process.send?.({ acknowledged })
}
await Promise.all(underWay)
acks.end(() => process.send?.({ done: true, acknowledged, resent, published }))
