import type { Registry } from 'prom-client'
import { Gauge } from 'prom-client'
import type { StorageFigures } from './metrics.ts'

/** Of the room that the journal takes; `undefined` takes them out. */
export function storageMetrics(registry: Registry): (figures: StorageFigures | undefined) => void {
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const bytes = new Gauge({
    name: 'busbar_journal_bytes',
    help: 'Size of the tables of the journal, with their indexes',
    labelNames: ['table'],
    registers,
  })
  const transaction = gauge(
    'busbar_journal_oldest_transaction_seconds',
    "Age of the oldest transaction in the database that busbar's user can see: what was deleted since stays on the disk",
  )
  const wal = gauge(
    'busbar_journal_wal_held_bytes',
    'WAL that PostgreSQL keeps for the replication slot that is furthest behind',
  )
  const free = gauge('busbar_journal_disk_free_bytes', 'Free room where an embedded journal is')
  const size = gauge('busbar_journal_disk_size_bytes', 'Size of that file system')
  return (figures) => {
    bytes.reset()
    for (const each of [transaction, wal, free, size]) each.remove()
    if (!figures) return
    for (const each of figures.tables) bytes.set({ table: each.table }, each.bytes)
    transaction.set(figures.oldestTransactionSeconds)
    wal.set(figures.walHeldBytes)
    if (!figures.disk) return
    free.set(figures.disk.freeBytes)
    size.set(figures.disk.sizeBytes)
  }
}
