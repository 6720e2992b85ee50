/** A proxy in a process of its own: opens as its argument says, then does what it is asked, one answer per question. */
import { ChaosProxy } from './proxy.ts'
import type { ProxyOptions } from './proxy.ts'
import type { ProxyAct, ProxyAnswer } from './proxy-process.ts'

const proxy = await ChaosProxy.open(JSON.parse(process.argv[2] ?? '{}') as ProxyOptions)

async function act(wanted: ProxyAct): Promise<number> {
  switch (wanted.act) {
    case 'impair':
      proxy.impair(wanted.directions, wanted.impairment)
      return 0
    case 'cut':
      return proxy.cut({ share: wanted.share })
    case 'refuse':
      await proxy.refuse()
      return 0
    case 'heal':
      await proxy.heal()
      return 0
    case 'count':
      return proxy.connections
  }
}

const answer = (message: ProxyAnswer) => process.send?.(message)
process.on('message', ({ id, ...wanted }: ProxyAct & { id: number }) => {
  act(wanted).then(
    (value) => answer({ id, value, counts: proxy.counts }),
    (error: unknown) => answer({ id, failed: error instanceof Error ? error.message : String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
process.send?.({ port: proxy.port })
