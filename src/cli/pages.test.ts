import { expect, it } from 'vitest'
import { listed } from './pages.ts'

/** A list of this many numbers, in pages; `gap` is a page without items. */
function server(total: number, gap = -1) {
  const asked: number[] = []
  const page = async ({ limit, next }: { limit: number; next: string | undefined }) => {
    asked.push(limit)
    const from = Number(next ?? 0)
    const to = Math.min(total, from + limit)
    const items = from === gap ? [] : Array.from({ length: to - from }, (_, index) => from + index)
    return { items, next: to < total ? String(to) : null }
  }
  return { asked, page }
}

it('lists as many as are wanted, page by page, and knows whether there are more', async () => {
  const { asked, page } = server(1_000)
  const { items, next } = await listed(450, page)
  expect(items).toEqual(Array.from({ length: 450 }, (_, index) => index))
  expect(asked).toEqual([200, 200, 50])
  expect(next).toBe('450')
})

it('ends with the list, or where nothing was found', async () => {
  expect(await listed(1_000, server(250).page)).toMatchObject({ items: { length: 250 }, next: null })
  expect(await listed(1_000, server(900, 200).page)).toMatchObject({ items: { length: 200 }, next: '400' })
  expect(await listed(50, server(0).page)).toEqual({ items: [], next: null })
})
