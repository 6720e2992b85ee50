-- What the door refused, for people to see: never the only record of anything (the sender was told), so it is bounded, and
-- losing a second of it in a crash loses nothing else. Samples hold nothing that must not be shown.
CREATE TABLE refused (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL,
  door     text NOT NULL,                 -- 'events', or the name of a source
  code     text NOT NULL,
  why      text NOT NULL,
  source   text,
  type     text,
  event_id text,
  faults   jsonb NOT NULL,
  bytes    integer NOT NULL,
  sample   text NOT NULL,
  times    integer NOT NULL               -- the same within one second
);

-- Stores these and keeps the newest 10,000.
CREATE FUNCTION keep_refused(p_rows jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO refused (at, door, code, why, source, type, event_id, faults, bytes, sample, times)
  SELECT to_timestamp(r.at / 1000), r.door, r.code, r.why, r.source, r.type, r."eventId", r.faults, r.bytes, r.sample, r.times
  FROM jsonb_to_recordset(p_rows) AS r (
    at double precision, door text, code text, why text, source text, type text, "eventId" text, faults jsonb,
    bytes integer, sample text, times integer
  );
  DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - 10000;
END $$;
