/** The tables and statements of the hand-written peer. Statements are prepared once per connection. */

export const tables = `
  CREATE TABLE event (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    id           text NOT NULL,
    type         text NOT NULL,
    data         text NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    UNIQUE (source, id)
  );
  CREATE INDEX event_unpublished ON event (received_at) WHERE published_at IS NULL;
  CREATE TABLE delivery (
    seq        bigint REFERENCES event,
    target     text,
    status     text NOT NULL DEFAULT 'pending',
    attempts   integer NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (seq, target)
  ) WITH (fillfactor = 80)`

/** New events with a pending delivery for each target; those that are there already are not answered. */
export const insertEvents = {
  name: 'insert-events',
  text: `
    WITH new AS (
      INSERT INTO event (source, id, type, data)
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
      ON CONFLICT (source, id) DO NOTHING
      RETURNING seq, source, id
    ), pending AS (
      INSERT INTO delivery (seq, target) SELECT seq, target FROM new, unnest($5::text[]) AS target
    )
    SELECT seq, source, id FROM new`,
}

export const markPublished = {
  name: 'mark-published',
  text: `UPDATE event SET published_at = clock_timestamp() WHERE seq = ANY ($1::bigint[])`,
}

/** In the order of the key, so that two batches do not wait for each other. */
export const writeOutcomes = {
  name: 'write-outcomes',
  text: `
    UPDATE delivery d SET status = o.status, attempts = o.attempts, changed_at = clock_timestamp()
    FROM (
      SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[]) AS o (seq, target, status, attempts)
      ORDER BY seq, target
    ) o
    WHERE d.seq = o.seq AND d.target = o.target`,
}

export const unpublished = {
  name: 'unpublished',
  text: `
    SELECT seq, source, id, type, data FROM event
    WHERE published_at IS NULL AND received_at < clock_timestamp() - interval '10 s'
    ORDER BY received_at LIMIT 500`,
}
