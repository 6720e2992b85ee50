import { afterEach, describe, expect, it } from 'vitest'
import { createAccounting } from './accounting.ts'
import { createErp } from './erp.ts'
import { createLogistics } from './logistics.ts'
import type { Simulator } from './simulator.ts'

const order = { reference: 'SO-1', revision: 1, totalCents: 1_990 }
const running: Simulator[] = []

async function started(simulator: Simulator): Promise<Simulator> {
  running.push(simulator)
  await simulator.start()
  return simulator
}

function post(url: string, body: object, headers: Record<string, string> = {}) {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(200),
  })
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((simulator) => simulator.stop()))
})

describe('a simulated system', () => {
  it('keeps a document, finds it by reference and changes it', async () => {
    const erp = await started(createErp())
    const made = await post(`${erp.url}/sales`, order)
    expect(made.status).toBe(201)
    const { id } = (await made.json()) as { id: string }
    const changed = await fetch(`${erp.url}/sales/${id}`, {
      method: 'PATCH',
      body: JSON.stringify({ revision: 2, totalCents: 2_000 }),
    })
    expect(changed.status).toBe(200)
    const found = await fetch(`${erp.url}/sales?reference=SO-1`)
    expect(await found.json()).toEqual([{ ...order, revision: 2, totalCents: 2_000, id }])
    expect(erp.arrivals.map(({ revision }) => revision)).toEqual([1, 2])
  })

  it('refuses what is no document, another path and a method that it lacks', async () => {
    const accounting = await started(createAccounting())
    const { url } = accounting
    expect((await post(`${url}/invoices`, { reference: 'SO-1' })).status).toBe(422)
    expect((await post(`${url}/sales`, order)).status).toBe(404)
    expect((await fetch(`${url}/invoices`, { method: 'DELETE' })).status).toBe(405)
    expect((await fetch(`${url}/invoices/INV-9`)).status).toBe(404)
    expect(accounting.arrivals).toEqual([])
  })

  it('takes a document back, and keeps on record that it was there', async () => {
    const erp = await started(createErp())
    const { id } = (await (await post(`${erp.url}/sales`, order)).json()) as { id: string }
    expect((await fetch(`${erp.url}/sales/${id}`, { method: 'DELETE' })).status).toBe(200)
    expect((await fetch(`${erp.url}/sales/${id}`, { method: 'DELETE' })).status).toBe(404)
    expect(erp.documents).toEqual([])
    expect(erp.arrivals).toHaveLength(1)
    const again = (await (await post(`${erp.url}/sales`, order)).json()) as { id: string }
    expect(again.id).not.toBe(id)
  })

  it('refuses what its rules forbid, with the field at fault, and does nothing', async () => {
    const accounting = await started(createAccounting())
    const refused = await post(`${accounting.url}/invoices`, { ...order, business: true })
    expect(refused.status).toBe(422)
    expect(await refused.json()).toMatchObject({ field: 'taxCode' })
    expect(
      (await post(`${accounting.url}/invoices`, { ...order, business: true, taxCode: 'DE1' })).status,
    ).toBe(201)
    const logistics = await started(createLogistics())
    expect((await post(`${logistics.url}/shipments`, { ...order, country: 'AQ' })).status).toBe(422)
    expect(logistics.arrivals).toEqual([])
  })

  it('gives a known idempotency key its first answer again, without a second effect', async () => {
    const logistics = await started(createLogistics())
    const send = () => post(`${logistics.url}/shipments`, order, { 'idempotency-key': 'k1' })
    const [first, second] = await Promise.all([send(), send()])
    expect(await second.json()).toEqual(await first.json())
    expect(logistics.arrivals).toHaveLength(1)
  })

  it('books again what is sent again where keys are not honoured', async () => {
    const accounting = await started(createAccounting())
    await post(`${accounting.url}/invoices`, order, { 'idempotency-key': 'k1' })
    await post(`${accounting.url}/invoices`, order, { 'idempotency-key': 'k1' })
    expect(accounting.arrivals).toHaveLength(2)
  })

  it('refuses connections while it is down, tells its state all the same, and comes back with all it had', async () => {
    const erp = await started(createErp())
    await post(`${erp.url}/sales`, order)
    await post(`${erp.controlUrl}/_faults`, { down: true })
    await expect(post(`${erp.url}/sales`, order)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    const state = (await (await fetch(`${erp.controlUrl}/_state`)).json()) as { sales: unknown[] }
    expect(state.sales).toHaveLength(1)
    await post(`${erp.controlUrl}/_faults`, { down: false })
    expect((await fetch(`${erp.url}/sales/SALE-00001`)).status).toBe(200)
  })

  it('says with a 429 how long to wait, and does nothing', async () => {
    const erp = await started(createErp({ faults: { throttled: 1, retryAfterSeconds: 7 } }))
    const answer = await post(`${erp.url}/sales`, order)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7'])
    expect(erp.arrivals).toEqual([])
  })

  it('fails with 500 and does nothing', async () => {
    const erp = await started(createErp({ faults: { failing: 1 } }))
    expect((await post(`${erp.url}/sales`, order)).status).toBe(500)
    expect(erp.arrivals).toEqual([])
  })

  it('does the work and never answers', async () => {
    const erp = await started(createErp({ faults: { commitThenTimeout: 1 } }))
    await expect(post(`${erp.url}/sales`, order)).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(erp.arrivals).toHaveLength(1)
  })

  it('does the work and loses the answer', async () => {
    const erp = await started(createErp({ faults: { lostResponse: 1 } }))
    await expect(post(`${erp.url}/sales`, order)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
    expect(erp.arrivals).toHaveLength(1)
    expect(erp.hits.lostResponse).toBe(1)
  })

  it('takes its time when it is slow', async () => {
    const erp = await started(createErp({ faults: { slowMs: 60 } }))
    const startedAt = performance.now()
    await post(`${erp.url}/sales`, order)
    expect(performance.now() - startedAt).toBeGreaterThan(55)
  })

  it('gives the same request the same fault, whenever it comes', async () => {
    const faults = { failing: 0.5 }
    const [one, other] = [await started(createErp({ faults })), await started(createErp({ faults }))]
    const references = Array.from({ length: 20 }, (_, index) => `SO-${index}`)
    const statuses = async (simulator: Simulator, numbers: readonly string[]) => {
      const met = new Map<string, number>()
      for (const reference of numbers)
        met.set(reference, (await post(`${simulator.url}/sales`, { ...order, reference })).status)
      return met
    }
    const forwards = await statuses(one, references)
    const backwards = await statuses(other, references.toReversed())
    expect(new Set(forwards.values()).size).toBe(2)
    for (const reference of references) expect(backwards.get(reference)).toBe(forwards.get(reference))
  })

  it('refuses faults that it does not know', async () => {
    const erp = await started(createErp())
    const answer = await post(`${erp.controlUrl}/_faults`, { dwon: true })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('dwon')
  })
})
