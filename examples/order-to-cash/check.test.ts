import { describe, expect, it } from 'vitest'
import { check, isConsistent } from './check.ts'
import type { ShopRecord } from './shop.ts'
import type { Arrival } from './simulators/book.ts'

/** `'A1'` is revision 1 of order A. */
function shopOf(...sent: readonly string[]): ShopRecord {
  return {
    sent: sent.map((word) => ({ ...parsed(word), number: parsed(word).reference, accepted: true })),
    deliveries: sent.length,
    lastSentAt: 1_000,
  }
}

function taken(...words: readonly string[]): readonly Arrival[] {
  return words.map((word, at) => ({ ...parsed(word), document: 'D', at: 1_000 + at * 100 }))
}

function parsed(word: string) {
  const revision = Number(word.slice(1))
  return { reference: word.slice(0, 1), revision, totalCents: revision * 100 }
}

function inErp(shop: ShopRecord, arrivals: readonly Arrival[]) {
  const found = check(shop, [{ name: 'erp', arrivals }])
  return { ...found, ...found.systems[0] }
}

describe('check', () => {
  it('finds nothing where each revision arrived once and in order, orders mixed', () => {
    const found = inErp(shopOf('A1', 'A2', 'B1'), taken('B1', 'A1', 'A2'))
    expect(found).toMatchObject({ missing: [], duplicated: [], outOfOrder: [], unknown: [], disagree: [] })
    expect(isConsistent(found)).toBe(true)
  })

  it('counts an order as missing when one of its revisions never arrived', () => {
    const found = inErp(shopOf('A1', 'A2', 'B1'), taken('A2', 'B1'))
    expect(found.missing).toEqual(['A'])
    expect(isConsistent(found)).toBe(false)
  })

  it('counts an order as missing that the shop could not deliver to anybody', () => {
    const shop = shopOf('A1')
    const sent = shop.sent.map((message) => ({ ...message, accepted: false }))
    expect(inErp({ ...shop, sent }, []).missing).toEqual(['A'])
  })

  it('counts an order as doubled once, however often it was repeated', () => {
    expect(inErp(shopOf('A1', 'B1'), taken('A1', 'A1', 'B1', 'A1')).duplicated).toEqual(['A'])
  })

  it('sees an older revision that took effect after a newer one', () => {
    const found = inErp(shopOf('A1', 'A2', 'B1'), taken('A2', 'B1', 'A1'))
    expect(found.outOfOrder).toEqual(['A'])
    expect(found.missing).toEqual([])
  })

  it('sees a late copy of an older revision as doubled and as out of order', () => {
    const found = inErp(shopOf('A1', 'A2'), taken('A1', 'A2', 'A1'))
    expect(found).toMatchObject({ duplicated: ['A'], outOfOrder: ['A'], disagree: ['A'] })
  })

  it('does not call a repetition out of order', () => {
    expect(inErp(shopOf('A1', 'A2'), taken('A1', 'A1', 'A2', 'A2')).outOfOrder).toEqual([])
  })

  it('names orders that the shop never sold', () => {
    expect(inErp(shopOf('A1'), taken('A1', 'Z1')).unknown).toEqual(['Z'])
  })

  it('sees systems that disagree, also when one of them is right', () => {
    const found = check(shopOf('A1', 'A2', 'B1'), [
      { name: 'erp', arrivals: taken('A1', 'A2', 'B1') },
      { name: 'accounting', arrivals: taken('A1', 'B1') },
    ])
    expect(found.disagree).toEqual(['A'])
  })

  it('sees an amount that is not the shop’s', () => {
    const wrong = taken('A1').map((arrival) => ({ ...arrival, totalCents: 99 }))
    expect(inErp(shopOf('A1'), wrong).disagree).toEqual(['A'])
  })

  it('measures the time from the last message to the last effect in any system', () => {
    const found = check(shopOf('A1', 'B1', 'C1'), [
      { name: 'erp', arrivals: taken('A1', 'B1', 'C1') },
      { name: 'accounting', arrivals: taken('C1', 'B1', 'A1') },
    ])
    expect(found.consistentAfterMs).toBe(200)
  })

  it('gives no time where anything is wrong', () => {
    expect(inErp(shopOf('A1', 'B1'), taken('A1')).consistentAfterMs).toBeUndefined()
  })
})
