import type { Config } from '../define/config.ts'
import type { ConsumerSource, RunningSource, SourceMessage } from '../define/consumer-source.ts'
import type { Appender } from '../ingress/appender.ts'
import { takeMessages } from '../ingress/intake.ts'
import type { Refusals } from '../ingress/refusals.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HubTracer } from './tracer.ts'

/** The sources of this process that fetch their events themselves. */
export interface OpenedSources {
  /** Stops all of them, and resolves when the last has settled its last work. Safe to call twice. */
  close(): Promise<void>
}

/** Starts them; each connects as soon as it can, so that a broker that is away keeps no hub from starting. */
export function openSources(deps: {
  readonly config: Config
  readonly appender: Pick<Appender, 'appendAll'>
  readonly metrics: Pick<Metrics, 'accepted' | 'refused' | 'source'>
  readonly tracer?: HubTracer | undefined
  readonly log: Log
  readonly refusals: Refusals
}): OpenedSources {
  const running: RunningSource[] = []
  for (const source of deps.config.sources) if (source.kind === 'consumer') running.push(start(source, deps))
  return {
    async close() {
      await Promise.all(running.map((each) => each.stop()))
    },
  }
}

function start(
  source: ConsumerSource,
  { config, appender, metrics, tracer, log, refusals }: Parameters<typeof openSources>[0],
): RunningSource {
  const { name } = source
  const ofSource = metrics.source(name)
  const facts = { source: name, address: source.address }
  const intake = {
    config,
    appendAll: appender.appendAll.bind(appender),
    observe: metrics,
    onError: (error: unknown) => log.error({ err: error, ...facts }, 'a message could not be checked'),
    onRefused: (error: unknown, body: Buffer) => refusals.note({ door: name, error, body }),
  }
  return source.start({
    maxBodyBytes: config.http.maxBodyBytes,
    async take(messages) {
      const take = () => takeMessages(messages, intake)
      const intakes = await (tracer ? tracer.receive(name, messages.map(traceparentOf), take) : take())
      for (const { kind } of intakes) if (kind !== 'later') ofSource.taken(kind)
      return intakes
    },
    connected: (is) => ofSource.connected(is),
    log: {
      info: (more, message) => log.info({ ...facts, ...more }, message),
      warn: (more, message) => log.warn({ ...facts, ...more }, message),
    },
  })
}

/** What a message names as its trace beside its body. */
function traceparentOf({ reading }: SourceMessage): string | undefined {
  if (reading.mode === 'mapped') return reading.traceparent
  return reading.mode === 'binary' ? reading.attributes['traceparent'] : undefined
}
