/** What the database itself saw of workers and owners: written by triggers, in the transactions that it is about. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { openDatabase } from '../../../src/journal/database.ts'
import { migrate } from '../../../src/journal/migrate.ts'
import { query } from '../journal-view.ts'

/** A partition got another owner, or none. */
export interface OwnerChange {
  /** Milliseconds since 1970, by the database's clock. */
  readonly at: number
  readonly group: string
  readonly part: number
  readonly parts: number
  readonly owner: string | null
}

/** A worker joined, was declared dead, or left in order. */
export interface WorkerChange {
  readonly at: number
  readonly worker: string
  readonly pid: number
  readonly what: 'joined' | 'dead' | 'left'
}

/** What is told as soon as it is committed. */
export type Notice =
  | { readonly what: 'dead'; readonly worker: string; readonly by: string }
  | { readonly what: 'owner'; readonly group: string; readonly part: number; readonly owner: string | null }

const schema = `
CREATE SCHEMA chaos;
CREATE TABLE chaos.owners (
  no bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(), grp text, part int, parts int, owner text);
CREATE TABLE chaos.lives (
  no bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(), worker text, pid int, what text);
CREATE TABLE chaos.late_writes (at timestamptz DEFAULT clock_timestamp(), worker text, written text);

CREATE FUNCTION chaos.owner_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.owners (grp, part, parts, owner) VALUES (NEW.grp, NEW.part, NEW.parts, NEW.owner);
  PERFORM pg_notify('chaos', json_build_object('what', 'owner', 'group', NEW.grp, 'part', NEW.part, 'owner', NEW.owner)::text);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_owner AFTER UPDATE OF owner ON busbar.lane_groups FOR EACH ROW
  WHEN (OLD.owner IS DISTINCT FROM NEW.owner) EXECUTE FUNCTION chaos.owner_changed();

CREATE FUNCTION chaos.worker_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN INSERT INTO chaos.lives (worker, pid, what) VALUES (NEW.id, NEW.pid, 'joined');
  ELSIF TG_OP = 'DELETE' THEN
    IF NOT OLD.dead THEN INSERT INTO chaos.lives (worker, pid, what) VALUES (OLD.id, OLD.pid, 'left'); END IF;
  ELSE
    INSERT INTO chaos.lives (worker, pid, what) VALUES (NEW.id, NEW.pid, 'dead');
    PERFORM pg_notify('chaos', json_build_object('what', 'dead', 'worker', NEW.id, 'by', current_setting('application_name'))::text);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_worker AFTER INSERT OR DELETE ON busbar.workers FOR EACH ROW EXECUTE FUNCTION chaos.worker_changed();
CREATE TRIGGER chaos_death AFTER UPDATE OF dead ON busbar.workers FOR EACH ROW
  WHEN (NEW.dead AND NOT OLD.dead) EXECUTE FUNCTION chaos.worker_changed();

-- Reached only behind the fence of a flush: whoever is dead must have been refused before.
CREATE FUNCTION chaos.written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.late_writes (worker, written)
  SELECT w.id, TG_TABLE_NAME FROM busbar.workers w WHERE 'busbar:' || w.id = current_setting('application_name') AND w.dead;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_runs AFTER INSERT OR UPDATE ON busbar.runs FOR EACH STATEMENT EXECUTE FUNCTION chaos.written();
CREATE TRIGGER chaos_steps AFTER INSERT OR UPDATE ON busbar.steps FOR EACH STATEMENT EXECUTE FUNCTION chaos.written();
CREATE TRIGGER chaos_attempts AFTER INSERT ON busbar.attempts FOR EACH STATEMENT EXECUTE FUNCTION chaos.written();
`

/** Creates the journal's tables, and has the database watch over them. */
export async function placeWitness(url: string): Promise<void> {
  const database = openDatabase({
    url,
    schema: 'busbar',
    applicationName: 'chaos',
    maxConnections: 1,
    indexPlansOnly: false,
    onError: () => undefined,
  })
  await migrate(database, 'busbar')
  await database.close()
  await query(url, (sql) => sql(schema))
}

const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8 AS at`

/** All changes of owners, in order. */
export function ownerChanges(url: string): Promise<OwnerChange[]> {
  return query(url, (sql) =>
    sql<OwnerChange>(`SELECT ${ms('at')}, grp AS "group", part, parts, owner FROM chaos.owners ORDER BY no`),
  )
}

/** Joins, deaths and departures of all workers, in order. */
export function workerChanges(url: string): Promise<WorkerChange[]> {
  return query(url, (sql) =>
    sql<WorkerChange>(`SELECT ${ms('at')}, worker, pid, what FROM chaos.lives ORDER BY no`),
  )
}

/** What workers wrote after their death mark, in words. */
export function lateWrites(url: string): Promise<string[]> {
  return query(url, async (sql) =>
    (await sql<{ worker: string; written: string }>('SELECT worker, written FROM chaos.late_writes')).map(
      ({ worker, written }) => `D4 ${worker} wrote ${written} after its death mark`,
    ),
  )
}

/** Hears of deaths and owners at their commit, as long as the database stays. */
export async function listen(url: string): Promise<{
  /** The next notice that fits; undefined when there is none within `withinMs`. */
  next<N extends Notice>(fits: (notice: Notice) => notice is N, withinMs: number): Promise<N | undefined>
  close(): Promise<void>
}> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  const hearing = new Set<(notice: Notice) => void>()
  client.on('notification', ({ payload = '{}' }) => {
    for (const hear of hearing) hear(JSON.parse(payload) as Notice)
  })
  await client.query('LISTEN chaos')
  return {
    async next(fits, withinMs) {
      const found = Promise.withResolvers<Parameters<typeof fits>[0] | undefined>()
      const hear = (notice: Notice) => fits(notice) && found.resolve(notice)
      hearing.add(hear)
      const timeout = new AbortController()
      const late = sleep(withinMs, undefined, { signal: timeout.signal }).catch(() => undefined)
      const notice = await Promise.race([found.promise, late])
      timeout.abort()
      hearing.delete(hear)
      return notice as never
    },
    close: () => client.end(),
  }
}
