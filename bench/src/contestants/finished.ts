import pg from 'pg'

const chunk = 250_000

/**
 * Puts so many finished events into the journal of a hub that is stopped, as if each of its flows had delivered them:
 * a plain success is one row of `runs` with its first half.
 */
export async function addFinished(
  { url, schema }: { readonly url: string; readonly schema: string },
  count: number,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` })
  await client.connect()
  try {
    await client.query('SET synchronous_commit = off')
    for (let from = 1; from <= count; from += chunk) {
      const range = [from, Math.min(count, from + chunk - 1)]
      await client.query(events, range)
      await client.query(runs, range)
    }
    await client.query('UPDATE positions SET position = $1', [count])
    await client.query('VACUUM (ANALYZE) events')
    await client.query('VACUUM (ANALYZE) runs')
    await client.query('CHECKPOINT')
  } finally {
    await client.end()
  }
}

const events = `
  INSERT INTO events (seq, source, id, type, key, khash, received_at, data, ext)
  SELECT n, 'urn:bench:old', to_char(n, 'FM000000000'), 'bench.order.placed', 'SO-' || n % 10000, n % 10000,
         clock_timestamp() - interval '1 hour',
         '{"number":"SO-' || n % 10000 || '","revision":0,"customer":"C-' || n % 500 || '","note":"' || repeat('x', 830) || '"}',
         '{}'
  FROM generate_series($1::bigint, $2::bigint) n`

const runs = `
  INSERT INTO runs (flow, seq, gen, state, system, tries, attempts, first_at, ended_at, ms, status)
  SELECT f.id, n, 0, 10, s.id, 1, 1, clock_timestamp() - interval '1 hour', clock_timestamp() - interval '1 hour', 2, 201
  FROM generate_series($1::bigint, $2::bigint) n
  CROSS JOIN flows f JOIN systems s ON s.name = replace(f.name, 'flow', 'target')`
