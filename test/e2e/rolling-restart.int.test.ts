/** Each process of four restarted in turn under steady load: no client sees it, nothing is lost, doubled or out of order. */
import { setTimeout as pause } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openStage } from './role-nodes.ts'
import type { RoleNode, Stage } from './role-nodes.ts'

const keys = 10
const flows = 2
let stage: Stage

beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

/** Publishes steadily over keep-alive connections, to the doors that say they are ready, as a load balancer does. */
class Generator {
  readonly sent: { number: string; revision: number }[] = []
  readonly failures: string[] = []
  readonly #doors: readonly RoleNode[]
  readonly #ready = new Map<RoleNode, boolean>()
  readonly #agent = new Agent({ connections: 8, pipelining: 1 })
  #stopped = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(doors: readonly RoleNode[]) {
    this.#doors = doors
  }

  start(): void {
    for (const door of this.#doors) this.#ready.set(door, true)
    const publishers = Array.from({ length: keys }, (_, nth) => this.#publish(`K${nth}`))
    this.#work = Promise.all([this.#watch(), ...publishers])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#work
    await this.#agent.close()
  }

  async #watch(): Promise<void> {
    const probe = new Agent({ connections: 1, pipelining: 0 })
    while (!this.#stopped) {
      for (const door of this.#doors)
        this.#ready.set(
          door,
          await request(`${door.url}/health/ready`, { dispatcher: probe }).then(
            async ({ statusCode, body }) => {
              await body.dump()
              return statusCode === 200
            },
            () => false,
          ),
        )
      await pause(100)
    }
    await probe.close()
  }

  async #publish(number: string): Promise<void> {
    for (let revision = 1; !this.#stopped; revision++) {
      const turn = this.#doors.filter((door) => this.#ready.get(door))
      await this.#send(turn[revision % turn.length], number, revision)
      await pause(60)
    }
  }

  async #send(door: RoleNode | undefined, number: string, revision: number): Promise<void> {
    if (!door) return void this.failures.push(`${number} ${revision}: no door is ready`)
    const event = {
      specversion: '1.0',
      id: `${number}-${revision}`,
      source: 'urn:test',
      type: 'order.placed',
    }
    try {
      const { statusCode, body } = await request(`${door.url}/events`, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...event, data: { number, revision } }),
      })
      const text = await body.text()
      if (statusCode !== 202) this.failures.push(`${number} ${revision}: ${statusCode} ${text}`)
      this.sent.push({ number, revision })
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      const other = this.#doors.find((each) => each !== door && this.#ready.get(each))
      if (code === 'ECONNREFUSED' && other) return this.#send(other, number, revision)
      this.failures.push(`${number} ${revision}: ${code}`)
    }
  }
}

async function restart(node: RoleNode): Promise<void> {
  node.signal('SIGTERM')
  expect(await node.ended).toBe('code 0')
  await node.start()
}

it('is seen by no client, and loses, doubles and turns around nothing', async () => {
  const doors = [
    await stage.node({ roles: ['ingress'], flows }),
    await stage.node({ roles: ['ingress'], flows }),
  ]
  const workers = [
    await stage.node({ roles: ['worker'], flows }),
    await stage.node({ roles: ['worker'], flows }),
  ]
  for (const node of [...doors, ...workers]) await node.start()
  const generator = new Generator(doors)
  generator.start()
  await pause(500)
  for (const node of [...workers, ...doors]) {
    await restart(node)
    await pause(1_500) // until the other sees that it is ready, and owns its share again
  }
  await generator.stop()
  expect(generator.failures).toEqual([])
  expect(generator.sent.length).toBeGreaterThan(500)

  const { requests } = stage.target
  await expect
    .poll(() => requests.length, { timeout: 15_000 })
    .toBeGreaterThanOrEqual(generator.sent.length * flows)
  for (let flow = 0; flow < flows; flow++)
    for (let key = 0; key < keys; key++) {
      const own = ({ number }: { number: string }) => number === `K${key}`
      const took = requests.filter((each) => each.path === `/${flow}` && own(each))
      expect(took.map(({ revision }) => revision)).toEqual(
        generator.sent.filter(own).map(({ revision }) => revision),
      )
    }
  expect(await stage.sql('SELECT grp FROM lane_groups WHERE unclean > 0 OR suspect_to > 0')).toEqual([])
  expect(await stage.sql('SELECT id FROM workers WHERE dead')).toEqual([])
  expect(await stage.sql('SELECT id FROM events GROUP BY source, id HAVING count(*) > 1')).toEqual([])
}, 240_000)
