-- What processes say of themselves, for people; and what the dead have left behind.

ALTER TABLE workers
  ADD COLUMN pid        integer,
  ADD COLUMN roles      text[] NOT NULL DEFAULT '{worker}',
  ADD COLUMN versions   jsonb NOT NULL DEFAULT '{}',       -- of its flows, by name
  ADD COLUMN draining   boolean NOT NULL DEFAULT false,    -- it hands over: others share what there is without it
  ADD COLUMN attempts   integer NOT NULL DEFAULT 0,        -- under way at its last heartbeat
  ADD COLUMN dead_at    timestamptz,
  ADD COLUMN left_groups jsonb;                            -- [{ name, partition }]: what it owned when it was declared dead

-- Processes that run no flows. A table of their own: whoever counts or takes over workers must not meet one that owns nothing.
CREATE TABLE processes (
  id          text PRIMARY KEY,              -- new at each start
  host        text NOT NULL,
  pid         integer NOT NULL,
  roles       text[] NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_until timestamptz NOT NULL,
  draining    boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- A takeover sets the mark before it frees the groups, so they can still be seen here.
CREATE FUNCTION note_death() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.dead_at := clock_timestamp();
  NEW.left_groups := coalesce(
    (SELECT jsonb_agg(jsonb_build_object('name', g.grp, 'partition', g.part) ORDER BY g.grp, g.part)
     FROM lane_groups g WHERE g.owner = NEW.id), '[]');
  RETURN NEW;
END $$;

CREATE TRIGGER note_death BEFORE UPDATE OF dead ON workers
  FOR EACH ROW WHEN (NEW.dead AND NOT OLD.dead) EXECUTE FUNCTION note_death();
