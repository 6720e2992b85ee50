import { Child } from '../machine/child.ts'
import { named, startedWith } from '../machine/proc.ts'
import type { Contestant, Promises, System } from './contestant.ts'
import { addFinished } from './finished.ts'
import { flowNames } from './hub-settings.ts'
import type { HubSettings } from './hub-settings.ts'
import { postmasterOf } from './postmaster.ts'
import { removeTopology } from './topology.ts'

const promises: Promises = { durable: 'yes', ordered: 'yes', deduplicated: 'yes', recorded: 'yes' }

export const busbar: System = {
  name: 'busbar',
  title: 'busbar, PostgreSQL',
  promises,
  needs: ['postgres'],
  start: async (surroundings, shape) => {
    const settings: HubSettings = { ...surroundings, ...shape, journal: 'postgres', transport: 'log' }
    if (shape.finished) {
      await (await startHub(settings)).stop() // makes the tables, and knows its flows from then on
      await addFinished(surroundings, shape.finished)
    }
    return { ...(await startHub(settings)), servers: [await postmasterOf(surroundings.url)] }
  },
}

export const busbarRabbitmq: System = {
  name: 'busbar-rabbitmq',
  title: 'busbar, RabbitMQ and PostgreSQL',
  promises,
  needs: ['postgres', 'rabbitmq'],
  start: async (surroundings, shape) => {
    const { url, amqpUrl, schema } = surroundings
    const hub = await startHub({ ...surroundings, ...shape, journal: 'postgres', transport: 'rabbitmq' })
    const names = [...flowNames(shape), ...(shape.withPaused ? ['backlog'] : [])]
    return {
      ...hub,
      servers: [await postmasterOf(url), ...named('beam.smp')],
      async stop() {
        await hub.stop()
        await removeTopology(amqpUrl, schema, { flows: names, partitions: shape.partitions ?? 1 })
      },
    }
  },
}

/** The journal that `busbar start` uses when nothing is configured. */
export const busbarEmbedded: System = {
  name: 'busbar-embedded',
  title: 'busbar, embedded',
  promises,
  needs: [],
  start: async (surroundings, shape) => {
    const hub = await startHub({ ...surroundings, ...shape, journal: 'embedded', transport: 'log' })
    return { ...hub, servers: startedWith(surroundings.folder).filter((pid) => !hub.pids.includes(pid)) }
  },
}

/**
 * Without `workers` one process with all roles, else one that takes events in and so many that work: they share the
 * partitions of the flows.
 */
async function startHub(settings: HubSettings): Promise<Omit<Contestant, 'servers'>> {
  const { workers = 0, transport } = settings
  if (workers > 0 && settings.journal === 'embedded')
    throw new Error('the embedded journal is for one process alone')
  const doorRoles: HubSettings['roles'] = transport === 'log' ? ['ingress'] : ['ingress', 'relay']
  const door = await startOne(workers === 0 ? settings : { ...settings, roles: doorRoles })
  const all = [door]
  for (let worker = 0; worker < workers; worker++)
    all.push(await startOne({ ...settings, roles: ['worker'] }))
  return {
    port: door.port,
    pids: all.map(({ child }) => child.pid),
    stop: async () => void (await Promise.all(all.map(({ child }) => child.stop()))),
  }
}

async function startOne(settings: HubSettings): Promise<{ child: Child; port: number }> {
  const child = new Child(new URL('./hub.ts', import.meta.url), {
    settings,
    smallHeap: true,
    profileIn: settings.profileIn,
  })
  const { port } = await child.next<{ port: number }>()
  return { child, port }
}
