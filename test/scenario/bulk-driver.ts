/** A process that does nothing but drive acts on many runs, to be killed. */
import { BulkActs } from '../../src/hub/bulk-acts.ts'
import { openDatabase } from '../../src/journal/database.ts'

const database = openDatabase({
  url: process.env['BUSBAR_URL'] as string,
  schema: process.env['BUSBAR_SCHEMA'] as string,
  applicationName: 'bulk-driver',
  maxConnections: 1,
})
new BulkActs({ database, onError: (error) => console.error(error) }).start()
process.send?.('started')
