import { expect, it } from 'vitest'
import fc from 'fast-check'
import { OutboxFloor } from './outbox-floor.ts'

it('stays below ids that an open transaction may still hold, and below rows that are there', () => {
  const floor = new OutboxFloor()
  expect(floor.after).toBe(0)
  floor.observe({ last: 10, oldest: 500, next: 503 })
  floor.found(undefined)
  expect(floor.after, 'nothing is known to have ended').toBe(0)
  floor.observe({ last: 40, oldest: 502, next: 510 })
  floor.found(undefined)
  expect(floor.after, '502 is still open').toBe(0)
  floor.observe({ last: 50, oldest: 503, next: 520 })
  floor.found(7)
  expect(floor.after, 'row 7 is there').toBe(6)
  floor.found(undefined)
  expect(floor.after).toBe(10)
  floor.observe({ last: 60, oldest: 520, next: 530 })
  floor.found(undefined)
  expect(floor.after).toBe(50)
  floor.forget()
  expect(floor.after).toBe(0)
})

/** Transactions that take a number, then an id, then end; a relay that looks, and removes what it sees. */
it('never passes a row that shows up later, however transactions overlap', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('begin' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), which: fc.nat(20) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(20) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('read' as const), rows: fc.integer({ min: 0, max: 3 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('observe' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const floor = new OutboxFloor()
      let nextXid = 100
      let nextId = 1
      let open: { xid: number; ids: number[] }[] = []
      let visible: number[] = []
      for (const one of steps) {
        if (one.kind === 'begin') open.push({ xid: nextXid++, ids: [] })
        else if (one.kind === 'insert') open[one.which % Math.max(1, open.length)]?.ids.push(nextId++)
        else if (one.kind === 'end') {
          const ended = open[one.which % Math.max(1, open.length)]
          if (!ended) continue
          open = open.filter((each) => each !== ended)
          for (const id of ended.ids) expect(id).toBeGreaterThan(floor.after)
          visible = [...visible, ...ended.ids].sort((a, b) => a - b)
        } else if (one.kind === 'observe')
          floor.observe({
            last: nextId - 1,
            oldest: Math.min(nextXid, ...open.map(({ xid }) => xid)),
            next: nextXid,
          })
        else {
          const seen = visible.filter((id) => id > floor.after)
          expect(seen, 'nothing visible is below the floor').toEqual(visible)
          floor.found(seen[0])
          visible = visible.slice(one.rows)
        }
      }
    }),
    { numRuns: 500 },
  )
})
