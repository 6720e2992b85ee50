-- The journal's tables. Every name is unqualified: each busbar session pins its search_path to the journal's schema.
-- Text that is compared or indexed is COLLATE "C": order by code point, the same on every machine, and cheaper.

-- The log. Only append() inserts, under one lock, so that seq order is commit order; rows never change.
CREATE TABLE events (
  seq         bigint PRIMARY KEY,
  source      text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  type        text COLLATE "C" NOT NULL,
  key         text COLLATE "C",              -- null: no order
  khash       integer NOT NULL CHECK (khash >= 0),
  received_at timestamptz NOT NULL,          -- clock_timestamp() under the append lock: rises with seq
  data        text NOT NULL,                 -- the bytes as they came in; cast to jsonb in queries
  ext         text NOT NULL,                 -- the other CloudEvents attributes, a JSON object
  UNIQUE (source, id)
);
CREATE INDEX events_by_key ON events (key, seq) WHERE key IS NOT NULL;

-- What was refused although it was well-formed: the same identity with other data.
CREATE TABLE refusals (
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  source text NOT NULL,
  id     text NOT NULL,
  type   text NOT NULL,
  code   text NOT NULL,
  seq    bigint
);
CREATE INDEX refusals_by_time ON refusals (at);

CREATE TABLE flows (
  id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name        text NOT NULL UNIQUE,
  grp         text COLLATE "C" NOT NULL,
  ord         smallint NOT NULL,
  version     integer NOT NULL,
  types       text[] NOT NULL,
  type_after  bigint[] NOT NULL,             -- by type: it counts from here on
  declaration jsonb NOT NULL,                -- what the version speaks of: group, order, types, steps
  from_seq    bigint NOT NULL,
  removed     boolean NOT NULL DEFAULT false
);

-- Every matching event with seq <= position has its row in runs.
CREATE TABLE positions (
  flow     smallint REFERENCES flows,
  part     smallint,
  position bigint NOT NULL,
  PRIMARY KEY (flow, part)
) WITH (fillfactor = 50);

CREATE TABLE workers (
  id          text PRIMARY KEY,              -- new at each start
  host        text NOT NULL DEFAULT '',
  started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_until timestamptz NOT NULL,
  dead        boolean NOT NULL DEFAULT false -- the death mark: never taken back
) WITH (fillfactor = 50);

CREATE TABLE lane_groups (
  grp           text COLLATE "C",
  part          smallint,
  parts         smallint NOT NULL,
  owner         text,
  epoch         bigint NOT NULL DEFAULT 0,
  claimed_to    bigint NOT NULL DEFAULT 0,   -- no attempt without a row above it
  flushed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  suspect_to    bigint NOT NULL DEFAULT 0,   -- 0: no suspects
  suspect_since timestamptz,
  suspect_at    timestamptz,
  unclean       smallint NOT NULL DEFAULT 0,
  paused        boolean NOT NULL DEFAULT false,
  PRIMARY KEY (grp, part)
) WITH (fillfactor = 50);

-- One row per run that has an outcome or had to wait for one. The second half is null for a plain success.
-- state: 1 waiting 2 retrying 3 running 4 parked | 10 succeeded 11 skipped 12 superseded 13 compensated
CREATE TABLE runs (
  flow      smallint NOT NULL,
  seq       bigint NOT NULL,
  gen       smallint NOT NULL DEFAULT 0,
  state     smallint NOT NULL,
  system    smallint NOT NULL,               -- the one it needs next, or needed last
  tries     integer NOT NULL DEFAULT 0,      -- counted against the retry policy
  attempts  integer NOT NULL DEFAULT 0,      -- all of them, also those that do not count
  first_at  timestamptz,
  ended_at  timestamptz,
  ms        integer,
  status    smallint,
  holds     boolean NOT NULL DEFAULT true,   -- whether its lane waits for it
  phase     smallint NOT NULL DEFAULT 0,     -- 1: inside the user's code (careful mode)
  ord       smallint,
  khash     integer,
  lord      bigint,                          -- place in its lane
  grp       text COLLATE "C",
  key       text COLLATE "C",
  maybe_at  timestamptz,                     -- its effect may have happened, sent at this time at the latest
  next_at   timestamptz,                     -- of retrying runs
  throttles smallint NOT NULL DEFAULT 0,
  conflicts smallint NOT NULL DEFAULT 0,
  crashes   smallint NOT NULL DEFAULT 0,
  code      text,
  message   text,
  fp        text COLLATE "C",                -- fingerprint of its problem
  reason    text,
  PRIMARY KEY (flow, seq, gen)
);
CREATE INDEX runs_open_by_lane ON runs (grp, key, lord, seq, ord) WHERE state < 10;
CREATE INDEX runs_open_by_state ON runs (state, flow, seq) WHERE state < 10;
CREATE INDEX runs_running_by_lane ON runs (grp, key) WHERE state = 3;
CREATE INDEX runs_open_by_problem ON runs (fp) WHERE state < 10 AND fp IS NOT NULL;

-- A row exactly while the lane has an open run that holds it. Every writer locks it before it touches the lane's runs.
CREATE TABLE lanes (
  grp     text COLLATE "C",
  key     text COLLATE "C",
  khash   integer NOT NULL,
  system  smallint NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL,              -- infinity: its head is running or parked
  awaits  text,
  reason  text,
  PRIMARY KEY (grp, key)
) WITH (fillfactor = 70);
CREATE INDEX lanes_due ON lanes (grp, system, next_at);
CREATE INDEX lanes_awaiting ON lanes (awaits) WHERE awaits IS NOT NULL;

CREATE TABLE steps (
  flow       smallint,
  seq        bigint,
  gen        smallint,
  step       text,
  state      smallint NOT NULL,
  tries      integer NOT NULL DEFAULT 0,
  key_no     smallint NOT NULL DEFAULT 0,
  first_try  timestamptz,
  result     text,
  undo_state smallint,
  PRIMARY KEY (flow, seq, gen, step)
);

CREATE TABLE attempts (
  flow     smallint,
  seq      bigint,
  gen      smallint,
  step     text,
  no       integer,
  kind     text,                             -- send, find, verify, undo
  outcome  text NOT NULL,
  at       timestamptz NOT NULL,
  ms       integer NOT NULL,
  status   smallint,
  code     text,
  message  text,
  request  text,
  response text,
  worker   text,
  PRIMARY KEY (flow, seq, gen, step, no, kind)
);

CREATE TABLE systems (
  id              smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name            text NOT NULL UNIQUE,
  address         text NOT NULL DEFAULT '',
  paused          boolean NOT NULL DEFAULT false,
  breaker         text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'probing')),
  reason          text,
  changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  probe_at        timestamptz,
  probe_by        text,
  probe_until     timestamptz,
  throttled_until timestamptz,
  tat             timestamptz NOT NULL DEFAULT '-infinity', -- theoretical arrival time of the next request (GCRA)
  version         bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE permits (
  system smallint REFERENCES systems,
  worker text,
  n      integer NOT NULL,
  waits  boolean NOT NULL DEFAULT false,     -- wanted more than it got
  PRIMARY KEY (system, worker)
) WITH (fillfactor = 50);

-- Counts of open runs are not stored: runs_open_by_problem counts them.
CREATE TABLE problems (
  fp         text COLLATE "C" PRIMARY KEY,
  system     text NOT NULL,
  code       text NOT NULL,
  title      text NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen  timestamptz NOT NULL DEFAULT clock_timestamp(),
  state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'resolved', 'ignored')),
  owner      text,
  note       text
);

CREATE TABLE stats (
  minute   timestamptz,
  flow     smallint,
  system   smallint,
  outcome  text,
  worker   text,
  count    bigint NOT NULL,
  total_ms bigint NOT NULL,
  max_ms   integer NOT NULL,
  PRIMARY KEY (minute, flow, system, outcome, worker)
);

CREATE TABLE audit (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor  text NOT NULL,
  verb   text NOT NULL,
  object text NOT NULL,
  reason text,
  before jsonb,
  after  jsonb
);

CREATE TABLE api_keys (
  id         text PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  hash       text NOT NULL UNIQUE,           -- SHA-256 of the key; the key itself is shown once and never stored
  scopes     text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at timestamptz
);

-- The first event that was received at or after a moment, by bisection: received_at rises with seq.
CREATE FUNCTION seq_at(p_at timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_low bigint := coalesce((SELECT min(seq) FROM events), 1);
  v_high bigint := coalesce((SELECT max(seq) FROM events), 0) + 1;
  v_mid bigint;
  v_at timestamptz;
BEGIN
  WHILE v_low < v_high LOOP
    v_mid := (v_low + v_high) / 2;
    SELECT received_at INTO v_at FROM events WHERE seq >= v_mid ORDER BY seq LIMIT 1;
    IF v_at < p_at THEN v_low := v_mid + 1; ELSE v_high := v_mid; END IF;
  END LOOP;
  RETURN v_low;
END $$;

-- The simple picture for anyone with SQL: the worst state over all flows, and pending where a flow has not come so far.
CREATE VIEW integration_events AS
SELECT e.seq, e.source, e.id, e.type AS event_type, e.key, e.received_at AS created_at, s.flow, s.status
FROM events e
CROSS JOIN LATERAL (
  SELECT f.name AS flow, coalesce(
    (SELECT CASE r.state WHEN 1 THEN 'waiting' WHEN 2 THEN 'retrying' WHEN 3 THEN 'running' WHEN 4 THEN 'parked'
            WHEN 10 THEN 'succeeded' WHEN 11 THEN 'skipped' WHEN 12 THEN 'superseded' ELSE 'compensated' END
     FROM runs r WHERE r.flow = f.id AND r.seq = e.seq ORDER BY r.gen DESC LIMIT 1), 'pending') AS status
  FROM flows f
  WHERE NOT f.removed AND e.type = ANY (f.types) AND e.seq > f.from_seq
    AND e.seq > f.type_after[array_position(f.types, e.type)]
) s;
