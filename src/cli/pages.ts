/** Items that one request asks for at most. */
const perPage = 200
/** Items that one command lists at most: they are held in memory to be aligned. */
export const mostListed = 100_000

interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/**
 * The first `limit` items of a paged list; `next` is null when these are all. A page without items ends it too: the
 * server looks at a bounded part of the log for each, and whoever filters for something rare should narrow the filter.
 */
export async function listed<Item>(
  limit: number,
  page: (query: { readonly limit: number; readonly next: string | undefined }) => Promise<Page<Item>>,
): Promise<{ items: Item[]; next: string | null }> {
  const items: Item[] = []
  let next: string | null = null
  do {
    const found: Page<Item> = await page({
      limit: Math.min(perPage, limit - items.length),
      next: next ?? undefined,
    })
    items.push(...found.items)
    next = found.next
    if (found.items.length === 0) break
  } while (next !== null && items.length < limit)
  return { items, next }
}
