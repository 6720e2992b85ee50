/** No middleware: direct synchronous calls to the three targets, nothing stored, no order, no retries. */
import { createCaller, serve } from './process.ts'
import { settingsOf } from './settings.ts'

const { ports } = settingsOf()
const callers = ports.map((port) => createCaller(port, { connections: 32 }))

await serve((event) => Promise.all(callers.map((call) => call(event))), { stop: async () => undefined })
