import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineFlow } from '../define/flow.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { orderPlaced, StubSystem } from '../../test/scenario/rig.ts'
import { plain } from './sentence.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

const reason = 'looked there'
const customer = { kind: 'customer', id: 'C-7', system: 'crm' }

/** Gives each order's id in the ERP; waits for a customer first. */
function ordersFlow(erp: StubSystem) {
  return defineFlow('orders', { start: 'beginning' })
    .on(orderPlaced)
    .step('send', erp.system, {
      dependsOn: ({ ids }) => ids('customer', 'C-7', 'crm'),
      run: ({ event, call }) => call.send(event.data).then(() => event.data.revision),
      links: (result) => ({ order: result }),
    })
}

describe('cross-references in the control API', () => {
  it('shows who waits and why, and a person who sets the id lets them go on', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([ordersFlow(erp)])
    const [seq] = await rig.publish({ number: 'SO-1', revision: 4711 }, { number: 'SO-2', revision: 4711 })
    await rig.until(
      async () => (await rig.ask('listLinks', { kind: 'customer', id: 'C-7' })).awaited.length > 0,
    )
    await rig.until(async () => {
      const { awaited } = await rig.ask('listLinks', { kind: 'customer', id: 'C-7' })
      return awaited[0]?.lanes === 2
    })
    const waiting = await rig.ask('getRun', { flow: 'orders', seq: seq! })
    expect(plain(waiting.why, () => 'then')).toBe('waits for the id of customer C-7 in crm')
    expect(Date.parse(waiting.until ?? '') - Date.now()).toBeGreaterThan(71 * 3_600_000)

    expect(await rig.ask('setLink', { ...customer, external: 'crm-7', reason })).toEqual({
      ...customer,
      before: null,
      after: 'crm-7',
    })
    await rig.until(async () => (await rig.ask('listRuns', { state: 'succeeded' })).items.length === 2)

    const byExternal = await rig.ask('listLinks', { system: 'erp', external: '4711' })
    expect(byExternal.items).toMatchObject([{ kind: 'order', external: '4711', step: 'send', setBy: null }])
    const [kept] = byExternal.items
    expect(byExternal.conflicts).toEqual([])
    const other = kept?.id === 'SO-1' ? 'SO-2' : 'SO-1'
    const { items, conflicts } = await rig.ask('listLinks', { kind: 'order', id: other })
    expect(items).toEqual([])
    expect(conflicts).toMatchObject([{ external: '4711', heldExternal: null, heldId: kept?.id }])
    const { items: problems } = await rig.ask('listProblems')
    expect(problems).toMatchObject([{ code: 'link.conflict', system: 'erp', state: 'open', open: 0 }])
    expect(problems[0]?.title).toContain(`order ${other} in erp`)
    expect(problems[0]?.title).toContain(`that id belongs to order ${kept?.id}`)
  }, 30_000)

  it('refuses to overwrite unless that is said, and never takes an id from another object', async () => {
    await rig.ask('setLink', { ...customer, external: 'crm-7', reason })
    expect(await rig.ask('setLink', { ...customer, external: 'crm-7', reason })).toMatchObject({
      before: 'crm-7',
    })
    const refused = await rig.refused('setLink', { ...customer, external: 'crm-8', reason })
    expect(refused).toMatchObject({ status: 409, code: 'link.conflict' })
    expect(refused.detail).toContain('has the id crm-7')
    await rig.ask('setLink', { ...customer, external: 'crm-8', replace: true, reason })
    const taken = await rig.refused('setLink', {
      ...customer,
      id: 'C-9',
      external: 'crm-8',
      replace: true,
      reason,
    })
    expect(taken.detail).toBe('the id crm-8 in crm belongs to customer C-7: remove it there first')
    expect(await rig.ask('removeLink', { ...customer, reason })).toEqual({
      ...customer,
      before: 'crm-8',
      after: null,
    })
    expect((await rig.ask('listLinks', { kind: 'customer', id: 'C-7' })).items).toEqual([])
    expect(await rig.refused('removeLink', { ...customer, reason })).toMatchObject({ status: 404 })
    const { items } = await rig.ask('listAudit')
    expect(items).toMatchObject([
      { verb: 'unlink', before: { external: 'crm-8' }, after: { external: null }, reason },
      { verb: 'link', before: { external: 'crm-7' }, after: { external: 'crm-8' } },
      {
        verb: 'link',
        object: 'customer C-7 in crm',
        before: { external: null },
        after: { external: 'crm-7' },
      },
    ])
  })

  it('says what is wrong with a question, or with an id', async () => {
    expect(await rig.refused('listLinks', { kind: 'order' })).toMatchObject({ code: 'request.invalid' })
    const long = await rig.refused('setLink', { ...customer, external: 'ö'.repeat(200), reason })
    expect(long.errors).toMatchObject([{ pointer: '/body/external' }])
    const bare = await rig.refused('setLink', { ...customer, external: 'x' })
    expect(bare.errors).toMatchObject([{ pointer: '/body/reason' }])
  })
})
