import type { Database } from '../../journal/database.ts'
import { explainSystem } from '../explain-system.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { System, SystemDetail } from '../schema/system.ts'
import type { Backlog } from './backlog.ts'
import { backlogs } from './backlog.ts'
import { listMaintenance } from './maintenance.ts'
import { maxCounted } from './open-counts.ts'
import { parkedHolding } from './parked.ts'
import type { RecentFigures } from './system-figures.ts'
import { dayOfMeans, emptyDay, noFigures, recentFigures } from './system-figures.ts'
import type { SystemColumns } from './system-facts.ts'
import { factsOf, systemColumns } from './system-facts.ts'
import { listTests } from './system-tests.ts'
import type { NounOf } from './waiting.ts'
import { waitingBySystem } from './waiting.ts'

// Lanes by lanes_due (grp, system, next_at), one range per lane group; $1 a name or null, $2 most lanes.
const text = `
SELECT s.address, clock_timestamp() AS now_at, s.settings,${systemColumns},
       coalesce((SELECT sum(p.n) FROM permits p WHERE p.system = s.id), 0) AS permits,
       (SELECT count(*) FROM (
          SELECT FROM (SELECT DISTINCT g.grp FROM lane_groups g) g
          JOIN lanes l ON l.grp = g.grp AND l.system = s.id LIMIT $2::int
        ) held) AS lanes,
       c.kind AS credentials, c.obtained_at, c.expires_at
FROM systems s LEFT JOIN system_credentials c ON c.system = s.id
WHERE $1::text IS NULL OR s.name = $1 ORDER BY s.name`

/** What a list of systems needs beside the database. */
export interface SystemsAsk {
  readonly nounOf: NounOf
  /** Only this one. */
  readonly name?: string | undefined
  /** With the day's latency by hour, which reads a row for each minute and worker. */
  readonly withDay?: boolean
  /** How far flows are behind, where the caller knows it already. */
  readonly behind?: readonly Backlog[]
  /** How many lanes of each wait for a person, where the caller knows it already. */
  readonly parked?: ReadonlyMap<string, number>
}

/** All systems by name, or the one of this name: how each stands, what waits for it, how it answered lately. */
export async function listSystems(database: Database, ask: SystemsAsk): Promise<System[]> {
  const name = ask.name ?? null
  const rows = await database.query<SystemRow>({ name: 'systems', text, values: [name, maxCounted] })
  const waiting = await waitingBySystem(database, {
    nounOf: ask.nounOf,
    lanes: new Map(rows.map((row) => [row.system_name, row.lanes])),
    parked: ask.parked ?? (await parkedHolding(database)),
    behind: ask.behind ?? (await backlogs(database)),
    name,
  })
  const figures = await recentFigures(database, name)
  const days = ask.withDay ? await dayOfMeans(database, name) : new Map<string, readonly (number | null)[]>()
  return rows.map((row) => {
    const facts = factsOf(row)
    const lately = figures.get(row.system_name) ?? noFigures
    const { name: own, breaker, paused, reason, changedAt } = facts
    return {
      ...explainSystem(facts, isoAlways(row.now_at)),
      ...{ name: own, breaker, paused, reason, changedAt },
      label: row.settings.label ?? own,
      address: row.address,
      permits: row.permits,
      lanes: row.lanes,
      waiting: waiting.get(own) ?? { count: 0, noun: 'event', exact: true, oldestAt: null },
      limit: limitOf(row, lately),
      recent: lately.recent,
      day: [...(days.get(own) ?? emptyDay())],
      credentials: row.credentials === null ? null : credentialsOf(row, row.credentials),
    }
  })
}

/** A system with its rules, the flows that call it and its unresolved problems (the newest 50); undefined when there is none. */
export async function findSystem(
  database: Database,
  name: string,
  nounOf: NounOf,
): Promise<SystemDetail | undefined> {
  const [system] = await listSystems(database, { nounOf, name, withDay: true })
  if (!system) return undefined
  const flows = await database.query<{ name: string }>({
    text: `SELECT f.name FROM flows f
           WHERE NOT f.removed AND f.declaration -> 'steps' @> jsonb_build_array(jsonb_build_object('system', $1::text))
           ORDER BY f.ord, f.name`,
    values: [name],
  })
  const problems = await database.query<SystemDetail['problems'][number]>({
    text: `SELECT p.fp AS fingerprint, problem_title(p) AS title, p.code FROM problems p
           WHERE system = $1 AND state IN ('open', 'acknowledged') ORDER BY last_seen DESC LIMIT 50`,
    values: [name],
  })
  return {
    ...system,
    flows: flows.map((flow) => flow.name),
    problems,
    rules: await rulesOf(database, name),
    maintenance: await listMaintenance(database, name),
    tests: await listTests(database, name, 10),
  }
}

type Settings = Partial<NonNullable<SystemDetail['rules']>> & { readonly label?: string }

/** Settings are whole or empty: a worker writes them at its start. */
async function rulesOf(database: Database, name: string): Promise<SystemDetail['rules']> {
  const [row] = await database.query<{ settings: Settings }>({
    text: 'SELECT settings FROM systems WHERE name = $1',
    values: [name],
  })
  const { label: _, ...rules } = row?.settings ?? {}
  return rules.concurrency === undefined ? null : (rules as NonNullable<SystemDetail['rules']>)
}

/** The limit that is nearer to its end. */
function limitOf({ settings, permits }: SystemRow, { perMinute }: RecentFigures): System['limit'] {
  const { concurrency, rate } = settings
  if (concurrency === undefined) return null
  const atOnce = {
    kind: 'at-once',
    used: Math.min(permits, concurrency),
    max: concurrency,
    perMs: null,
  } as const
  if (!rate) return atOnce
  const used = Math.round((perMinute * Math.min(rate.perMs, 60_000)) / 60_000)
  const perRate = { kind: 'rate', used, max: rate.max, perMs: rate.perMs } as const
  return perRate.used / perRate.max >= atOnce.used / atOnce.max ? perRate : atOnce
}

function credentialsOf(row: SystemRow, kind: string): System['credentials'] {
  return { kind, obtainedAt: iso(row.obtained_at), expiresAt: iso(row.expires_at) }
}

interface SystemRow extends SystemColumns {
  system_name: string
  address: string
  settings: Settings
  permits: number
  lanes: number
  credentials: string | null
  obtained_at: DatabaseTime
  expires_at: DatabaseTime
}
