/** What one target has received for one flow: each event once, in the order of its key's revisions, or it is said how not. */
export class Ledger {
  readonly #keys = new Map<string, { next: number; ahead?: Set<number> }>()
  /** Each event once. */
  count = 0
  /** Deliveries of what it had already. */
  repeats = 0
  /** Deliveries that came after a later revision of their key. */
  late = 0

  /** Notes a delivery; answers whether the event is new here. */
  note(id: string): boolean {
    const dot = id.indexOf('.')
    const name = id.slice(0, dot)
    const revision = Number(id.slice(dot + 1))
    let key = this.#keys.get(name)
    if (!key) this.#keys.set(name, (key = { next: 1 }))
    if (revision < key.next || key.ahead?.has(revision)) {
      this.repeats++
      return false
    }
    this.count++
    if (revision > key.next) {
      key.ahead ??= new Set()
      if (revision < Math.max(...key.ahead)) this.late++
      key.ahead.add(revision)
      return true
    }
    if (key.ahead && key.ahead.size > 0) this.late++
    key.next++
    while (key.ahead?.delete(key.next)) key.next++
    return true
  }
}
