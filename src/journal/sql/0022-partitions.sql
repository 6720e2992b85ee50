-- Partitions of a lane group: several, each with an owner of its own, and their number changes without draining. What is
-- kept by key (runs, lanes, sequences, waits for links, echoes) knows no partition, only the hash of the key: it belongs
-- at any time to the partition khash % parts. What is kept by partition is here: positions, leases with their suspects,
-- and the versions of flows that each partition has been run with.

-- What the newest registration says; parts: how it is now. A new owner gets a partition only while the two are equal.
ALTER TABLE lane_groups ADD COLUMN wanted smallint NOT NULL DEFAULT 1;
UPDATE lane_groups SET wanted = parts;

-- The lane groups whose partitions a worker would own; null: it has not said.
ALTER TABLE workers ADD COLUMN serves text[] COLLATE "C";

-- Of how many the partition was one.
ALTER TABLE flow_adoptions ADD COLUMN parts smallint NOT NULL DEFAULT 1;
ALTER TABLE flow_adoptions DROP CONSTRAINT flow_adoptions_pkey, ADD PRIMARY KEY (flow, part, parts, version);

-- A flow in the partitions that its group has now: each goes on from the lowest position, for what lies above it and has
-- a row is left out when it is read again; each has been run with the version that any was run with last.
CREATE FUNCTION spread_flow(p_flow smallint, p_grp text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_position bigint := (SELECT min(p.position) FROM positions p WHERE p.flow = p_flow);
  v_old flow_adoptions;
BEGIN
  DELETE FROM positions p WHERE p.flow = p_flow;
  INSERT INTO positions (flow, part, position) SELECT p_flow, g.part, v_position FROM lane_groups g WHERE g.grp = p_grp;
  SELECT * INTO v_old FROM flow_adoptions a WHERE a.flow = p_flow AND a.until IS NULL ORDER BY a.version LIMIT 1;
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE flow_adoptions a SET until = clock_timestamp()
  WHERE a.flow = p_flow AND a.until IS NULL
    AND NOT EXISTS (SELECT FROM lane_groups g WHERE g.grp = p_grp AND g.part = a.part AND g.parts = a.parts);
  INSERT INTO flow_adoptions (flow, part, parts, version, declaration)
  SELECT p_flow, g.part, g.parts, v_old.version, v_old.declaration FROM lane_groups g
  WHERE g.grp = p_grp AND NOT EXISTS (
    SELECT FROM flow_adoptions a WHERE a.flow = p_flow AND a.part = g.part AND a.parts = g.parts AND a.until IS NULL)
  ON CONFLICT (flow, part, parts, version) DO UPDATE SET until = NULL;
END $$;

-- As in 0004, with the number of partitions. lane_groups before flows, as in flush. A flow that changes its group takes its
-- lowest position along: the partitions of the one say nothing of those of the other.
DROP FUNCTION register_flow(text, text, integer, text[], jsonb, text, double precision);
CREATE FUNCTION register_flow(
  p_name text, p_grp text, p_ord integer, p_types text[], p_declaration jsonb, p_start text, p_at double precision, p_parts integer
) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
  v_head bigint;
  v_from bigint;
  v_old flows;
  v_id smallint;
BEGIN
  PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
  UPDATE lane_groups g SET wanted = p_parts WHERE g.grp = p_grp AND g.wanted <> p_parts;
  SELECT * INTO v_old FROM flows f WHERE f.name = p_name FOR UPDATE;
  v_head := coalesce((SELECT max(seq) FROM events), 0);   -- after the lock: see the position update in flush
  IF v_old.id IS NULL THEN
    v_from := CASE p_start WHEN 'beginning' THEN 0 WHEN 'at' THEN seq_at(to_timestamp(p_at / 1000)) - 1 ELSE v_head END;
    INSERT INTO flows (name, grp, ord, version, types, type_after, declaration, from_seq)
    VALUES (p_name, p_grp, p_ord, 1, p_types, array_fill(v_from, ARRAY[cardinality(p_types)]), p_declaration, v_from)
    RETURNING id INTO v_id;
    PERFORM make_group(p_grp, p_parts);
    INSERT INTO positions (flow, part, position)
    SELECT v_id, g.part, v_from FROM lane_groups g WHERE g.grp = p_grp;
    RETURN v_id;
  END IF;
  IF v_old.declaration = p_declaration AND NOT v_old.removed THEN RETURN v_old.id; END IF;
  IF v_old.grp <> p_grp AND EXISTS (SELECT FROM runs r WHERE r.flow = v_old.id AND r.state < 10) THEN
    RAISE EXCEPTION 'flow % cannot move from lane group % to % while it has open runs', p_name, v_old.grp, p_grp USING ERRCODE = 'BB002';
  END IF;
  PERFORM make_group(p_grp, p_parts);
  UPDATE flows f
  SET grp = p_grp, ord = p_ord, version = f.version + 1, types = p_types, declaration = p_declaration, removed = false,
      type_after = ARRAY(SELECT coalesce(f.type_after[array_position(f.types, t.type)], v_head)
                         FROM unnest(p_types) WITH ORDINALITY AS t (type, place) ORDER BY t.place)
  WHERE f.id = v_old.id;
  IF v_old.grp <> p_grp THEN PERFORM spread_flow(v_old.id, p_grp); END IF;
  RETURN v_old.id;
END $$;

CREATE FUNCTION make_group(p_grp text, p_parts integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO lane_groups (grp, part, parts, wanted)
  SELECT p_grp, n, p_parts, p_parts FROM generate_series(0, p_parts - 1) AS n
  WHERE NOT EXISTS (SELECT FROM lane_groups g WHERE g.grp = p_grp);
$$;

-- As in 0004, and nobody begins any more with partitions that are to be others.
CREATE OR REPLACE FUNCTION acquire_group(p_worker text, p_grp text, p_part integer) RETURNS SETOF lane_groups LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM workers w WHERE w.id = p_worker AND NOT w.dead FOR SHARE;
  IF NOT FOUND THEN RETURN; END IF;
  RETURN QUERY
  UPDATE lane_groups g SET owner = p_worker, epoch = g.epoch + 1
  WHERE g.grp = p_grp AND g.part = p_part AND (g.owner = p_worker OR g.owner IS NULL AND g.parts = g.wanted)
  RETURNING g.*;
END $$;

-- Once all partitions of a group are free, makes them as many as the newest registration wants. False: one has an owner,
-- living or not yet taken over, or they are as many already. No owner of before can write any more, for every epoch passes
-- all of theirs; what they may have attempted stays in doubt, in every new partition, from the earliest such moment on.
-- Every old partition first takes up the versions that are registered now, while it still says what is in doubt in it.
-- The rows are locked before they are read in another statement; the advisory lock keeps registrations and pauses away.
CREATE FUNCTION repartition(p_grp text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_wanted smallint;
BEGIN
  PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
  PERFORM 1 FROM lane_groups g WHERE g.grp = p_grp ORDER BY g.part FOR UPDATE;
  SELECT max(g.wanted) INTO v_wanted FROM lane_groups g WHERE g.grp = p_grp
  HAVING count(g.owner) = 0 AND bool_or(g.parts <> g.wanted);
  IF NOT FOUND THEN RETURN false; END IF;

  PERFORM adopt_flow(f.id, p_grp, g.part) FROM lane_groups g JOIN flows f ON f.grp = g.grp
  WHERE g.grp = p_grp AND NOT f.removed ORDER BY g.part, f.id;

  WITH old AS (
    SELECT max(g.epoch) AS epoch, max(g.claimed_to) AS claimed_to, min(g.flushed_at) AS flushed_at,
           max(g.suspect_to) AS suspect_to, min(g.suspect_since) FILTER (WHERE g.suspect_to > 0) AS suspect_since,
           max(g.suspect_at) FILTER (WHERE g.suspect_to > 0) AS suspect_at, max(g.unclean) AS unclean, bool_or(g.paused) AS paused
    FROM lane_groups g WHERE g.grp = p_grp
  ), gone AS (
    DELETE FROM lane_groups g WHERE g.grp = p_grp AND g.part >= v_wanted
  )
  INSERT INTO lane_groups (grp, part, parts, wanted, epoch, claimed_to, flushed_at, suspect_to, suspect_since, suspect_at, unclean, paused)
  SELECT p_grp, n, v_wanted, v_wanted, o.epoch + 1, o.claimed_to, o.flushed_at, o.suspect_to, o.suspect_since, o.suspect_at, o.unclean, o.paused
  FROM old o CROSS JOIN generate_series(0, v_wanted - 1) AS n
  ON CONFLICT (grp, part) DO UPDATE SET
    parts = excluded.parts, epoch = excluded.epoch, claimed_to = excluded.claimed_to, flushed_at = excluded.flushed_at,
    suspect_to = excluded.suspect_to, suspect_since = excluded.suspect_since, suspect_at = excluded.suspect_at,
    unclean = excluded.unclean, paused = excluded.paused;
  PERFORM spread_flow(f.id, p_grp) FROM flows f WHERE f.grp = p_grp ORDER BY f.id;
  RETURN true;
END $$;

-- As in 0007 and 0006, and beside no change of partitions: one that is made anew meanwhile would be left out.
CREATE OR REPLACE FUNCTION change_pause(p_kind text, p_name text, p_paused boolean, p_actor text, p_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_same boolean;
BEGIN
  IF p_kind = 'system' THEN
    SELECT s.paused = p_paused INTO v_same FROM systems s WHERE s.name = p_name FOR UPDATE;
  ELSE
    PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
    SELECT bool_and(g.paused = p_paused) INTO v_same
    FROM (SELECT * FROM lane_groups g WHERE g.grp = p_name ORDER BY g.part FOR UPDATE) g;
  END IF;
  IF v_same IS NULL THEN RETURN 'absent'; END IF;
  IF v_same THEN RETURN 'same'; END IF;
  PERFORM set_paused(p_kind, p_name, p_paused, p_actor, p_reason);
  RETURN 'done';
END $$;

CREATE OR REPLACE FUNCTION set_paused(p_kind text, p_name text, p_paused boolean, p_actor text, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_before boolean;
BEGIN
  IF p_kind = 'system' THEN
    SELECT paused INTO v_before FROM systems WHERE name = p_name FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE systems SET paused = p_paused, version = version + 1, changed_at = clock_timestamp() WHERE name = p_name;
  ELSE
    PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
    SELECT bool_or(paused) INTO v_before FROM lane_groups WHERE grp = p_name;
    IF v_before IS NULL THEN RETURN false; END IF;
    UPDATE lane_groups SET paused = p_paused WHERE grp = p_name;
  END IF;
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, CASE WHEN p_paused THEN 'pause' ELSE 'resume' END, p_kind || ' ' || p_name, p_reason,
          jsonb_build_object('paused', v_before), jsonb_build_object('paused', p_paused));
  RETURN true;
END $$;

-- What a step was when it ended at this time, in the partition to which its event belonged then; null: what its flow says now.
DROP FUNCTION begun_as(smallint, text, timestamptz);
CREATE FUNCTION begun_as(p_flow smallint, p_seq bigint, p_step text, p_ended timestamptz) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT d.began
  FROM (
    SELECT a.declaration FROM events e
    JOIN flow_adoptions a ON a.flow = p_flow AND a.until >= p_ended AND e.khash % a.parts = a.part
    WHERE e.seq = p_seq ORDER BY a.until LIMIT 1
  ) a
  CROSS JOIN LATERAL declared_steps(a.declaration) d WHERE d.step = p_step;
$$;

-- As in 0018.
CREATE OR REPLACE FUNCTION known_steps(p_flow smallint, p_seq bigint, p_gen smallint) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_agg(json_build_object(
    'step', s.step, 'state', s.state, 'tries', s.tries, 'attempts', s.attempts, 'throttles', s.throttles, 'conflicts', s.conflicts,
    'keyNo', s.key_no, 'firstAt', extract(epoch FROM s.first_at) * 1000, 'maybeAt', extract(epoch FROM s.maybe_at) * 1000,
    'nextInMs', extract(epoch FROM s.next_at - clock_timestamp()) * 1000,
    'ms', s.ms, 'status', s.status, 'result', s.result, 'input', s.input, 'code', s.code, 'message', s.message, 'reason', s.reason,
    'began', coalesce(s.began, CASE WHEN s.state = 10 AND (
      SELECT EXISTS (SELECT FROM flow_adoptions a WHERE a.flow = p_flow AND a.until IS NOT NULL)   -- asked once: most flows have not changed
    ) THEN begun_as(s.flow, s.seq, s.step, s.ended_at) END)))
  FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen;
$$;

-- As in 0018; the owners of other partitions may still go on with an older version of a flow, and adopt for themselves.
CREATE OR REPLACE FUNCTION adopt_flows(p_grp text, p_part integer, p_epoch bigint, p_flow smallint[], p_version integer[])
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch);
  IF EXISTS (SELECT FROM unnest(p_flow, p_version) AS m (flow, version) JOIN flows f ON f.id = m.flow WHERE f.version <> m.version)
    OR p_grp = ANY (foreign_groups((SELECT g.owner FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part), p_flow)) THEN RETURN false; END IF;
  PERFORM adopt_flow(f.id, p_grp, p_part)
  FROM flows f WHERE f.id = ANY (p_flow) AND f.grp = p_grp AND NOT f.removed ORDER BY f.id;
  RETURN true;
END $$;

-- From now on this partition runs the flow as it is registered.
CREATE FUNCTION adopt_flow(p_flow smallint, p_grp text, p_part integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_parts smallint := (SELECT g.parts FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part);
  v_flow flows;
  v_old flow_adoptions;
BEGIN
  SELECT * INTO v_flow FROM flows f WHERE f.id = p_flow;
  SELECT * INTO v_old FROM flow_adoptions a WHERE a.flow = p_flow AND a.part = p_part AND a.parts = v_parts AND a.until IS NULL;
  IF v_old.version = v_flow.version THEN RETURN; END IF;
  IF v_old.version IS NOT NULL THEN
    IF v_old.declaration -> 'steps' <> v_flow.declaration -> 'steps' THEN
      PERFORM remember_doubt(p_flow, p_grp, p_part, v_old.declaration, v_flow.declaration);
      PERFORM remember_steps(p_flow, p_part, v_old.declaration, v_flow.declaration);
    END IF;
    UPDATE flow_adoptions a SET until = clock_timestamp()
    WHERE a.flow = p_flow AND a.part = p_part AND a.parts = v_parts AND a.until IS NULL;
  END IF;
  INSERT INTO flow_adoptions (flow, part, parts, version, declaration)
  VALUES (p_flow, p_part, v_parts, v_flow.version, v_flow.declaration)
  ON CONFLICT (flow, part, parts, version) DO UPDATE SET until = NULL;
END $$;

-- As in 0018, of this partition alone.
CREATE OR REPLACE FUNCTION remember_doubt(p_flow smallint, p_grp text, p_part integer, p_old jsonb, p_new jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_parts smallint := (SELECT g.parts FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part);
  v_single boolean := is_single(p_old);
  v_steps text[];
  v_keys text[];
  v_khash integer[];
BEGIN
  SELECT array_agg(o.step) INTO v_steps FROM declared_steps(p_old) o
  WHERE o.began ->> 'kind' = 'call'
    AND (v_single AND NOT is_single(p_new) OR NOT EXISTS (SELECT FROM declared_steps(p_new) n WHERE n.step = o.step AND n.began = o.began));
  IF v_steps IS NULL THEN RETURN; END IF;

  SELECT array_agg(k.key), array_agg(k.khash) INTO v_keys, v_khash FROM (
    SELECT r.key, min(r.khash) AS khash FROM runs r        -- runs_open_by_state
    WHERE r.flow = p_flow AND r.state IN (1, 2, 4) AND (r.maybe_at IS NOT NULL OR v_single AND r.attempts > 0)
      AND r.khash % v_parts = p_part GROUP BY r.key
  ) k;
  IF v_keys IS NOT NULL THEN
    PERFORM lock_lanes(p_grp, v_keys, v_khash);
    INSERT INTO steps (flow, seq, gen, step, state, tries, attempts, throttles, conflicts, first_at, next_at, maybe_at, ms, status,
                       code, message, reason)
    SELECT r.flow, r.seq, r.gen, o.step, CASE WHEN v_single AND r.state = 4 THEN 4 ELSE 2 END,
           m.n * r.tries, m.n * r.attempts, m.n * r.throttles, m.n * r.conflicts, coalesce(r.first_at, r.maybe_at),
           CASE WHEN v_single THEN r.next_at END, r.maybe_at,
           CASE WHEN v_single THEN r.ms END, CASE WHEN v_single THEN r.status END,
           CASE WHEN v_single THEN r.code END, CASE WHEN v_single THEN r.message END, CASE WHEN v_single THEN r.reason END
    FROM runs r
    CROSS JOIN (SELECT CASE WHEN v_single THEN 1 ELSE 0 END AS n) m
    CROSS JOIN LATERAL declared_steps(p_old) o
    WHERE r.flow = p_flow AND r.state IN (1, 2, 4) AND (r.maybe_at IS NOT NULL OR v_single AND r.attempts > 0) AND NOT r.compensating
      AND r.khash % v_parts = p_part AND o.step = ANY (v_steps) AND may_have_begun(r.flow, r.seq, r.gen, o.after)
    ON CONFLICT DO NOTHING;
    IF v_single THEN
      UPDATE runs r SET maybe_at = NULL
      WHERE r.flow = p_flow AND r.state IN (1, 2, 4) AND r.maybe_at IS NOT NULL AND r.khash % v_parts = p_part;
    END IF;
    PERFORM settle_lanes(p_grp, v_keys);
  END IF;

  INSERT INTO steps (flow, seq, gen, step, state, first_at, maybe_at)
  SELECT p_flow, e.seq, 0, o.step, 2, greatest(g.suspect_since, e.received_at), g.suspect_at
  FROM lane_groups g
  JOIN positions p ON p.flow = p_flow AND p.part = g.part
  JOIN events e ON e.seq > p.position AND e.seq <= g.suspect_to
  CROSS JOIN LATERAL declared_steps(p_old) o
  WHERE g.grp = p_grp AND g.part = p_part AND e.type IN (SELECT jsonb_array_elements_text(p_old -> 'types'))
    AND e.khash % g.parts = g.part AND e.received_at <= g.suspect_at
    AND NOT EXISTS (SELECT FROM runs r WHERE r.flow = p_flow AND r.seq = e.seq AND r.gen = 0)
    AND o.step = ANY (v_steps) AND may_have_begun(p_flow, e.seq, 0::smallint, o.after)
  ON CONFLICT DO NOTHING;
END $$;

-- As in 0018, of this partition alone. A partition of the flow's group has as many siblings as the group says.
CREATE OR REPLACE FUNCTION remember_steps(p_flow smallint, p_part integer, p_old jsonb, p_new jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_position bigint;
  v_parts smallint;
BEGIN
  SELECT p.position INTO v_position FROM positions p WHERE p.flow = p_flow AND p.part = p_part;
  SELECT g.parts INTO v_parts FROM flows f JOIN lane_groups g ON g.grp = f.grp AND g.part = p_part WHERE f.id = p_flow;
  UPDATE steps s
  SET began = CASE
    WHEN coalesce(s.began, d.was) = d.now THEN NULL
    WHEN coalesce(s.began, d.was) ->> 'kind' = 'call' AND d.now ->> 'kind' = 'call' AND s.maybe_at IS NULL AND s.state IN (1, 2, 4) THEN NULL
    ELSE coalesce(s.began, d.was) END
  FROM (
    SELECT r.seq, r.gen FROM runs r WHERE r.flow = p_flow AND r.state IN (1, 2, 3, 4) AND r.khash % v_parts = p_part   -- runs_open_by_state
    UNION
    SELECT b.seq, b.gen FROM steps b JOIN events e ON e.seq = b.seq   -- primary keys; of runs without a row
    WHERE b.flow = p_flow AND b.seq > v_position AND e.khash % v_parts = p_part
      AND NOT EXISTS (SELECT FROM runs r WHERE r.flow = b.flow AND r.seq = b.seq AND r.gen = b.gen)
  ) c,
  (
    SELECT coalesce(o.step, n.step) AS step, o.began AS was, n.began AS now
    FROM declared_steps(p_old) o FULL JOIN declared_steps(p_new) n ON n.step = o.step
  ) d
  WHERE s.flow = p_flow AND s.seq = c.seq AND s.gen = c.gen AND s.step = d.step
    AND s.state < 10                                       -- what has ended is told by when it did: begun_as
    AND (s.began IS NOT NULL OR d.was IS DISTINCT FROM d.now);
END $$;
