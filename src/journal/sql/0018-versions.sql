-- Versions of flows: a run finishes with the steps that it has begun, as they were when it began them. What a step was is
-- not written with each step, which would cost every run: a new owner that brings another declaration looks through what
-- is open before it begins, and notes it where the two differ.

-- How a step began, {kind, system}, where its flow says otherwise now and it makes a difference.
ALTER TABLE steps ADD COLUMN began jsonb;

-- The flows that a worker runs; null: it has not said.
ALTER TABLE workers ADD COLUMN flows smallint[];

-- Declarations under which runs were owned, and until when; the one in force has no end.
CREATE TABLE flow_adoptions (
  flow        smallint,
  part        smallint,
  version     integer NOT NULL,
  declaration jsonb NOT NULL,
  until       timestamptz,
  PRIMARY KEY (flow, part, version)
);
INSERT INTO flow_adoptions (flow, part, version, declaration)
SELECT p.flow, p.part, f.version, f.declaration FROM positions p JOIN flows f ON f.id = p.flow;

CREATE FUNCTION declared_steps(p_declaration jsonb) RETURNS TABLE (step text, began jsonb, after jsonb) LANGUAGE sql IMMUTABLE AS $$
  SELECT s ->> 'name', jsonb_build_object('kind', coalesce(s ->> 'kind', 'call'), 'system', s ->> 'system'), coalesce(s -> 'after', '[]')
  FROM jsonb_array_elements(p_declaration -> 'steps') AS s;
$$;

-- One plain call: everything about a run is said by its own row.
CREATE FUNCTION is_single(p_declaration jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_array_length(p_declaration -> 'steps') = 1 AND NOT p_declaration #> '{steps,0}' ? 'kind';
$$;

-- What a step was when it ended at this time; null: what its flow says now.
CREATE FUNCTION begun_as(p_flow smallint, p_step text, p_ended timestamptz) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT d.began
  FROM (SELECT a.declaration FROM flow_adoptions a WHERE a.flow = p_flow AND a.until >= p_ended ORDER BY a.until LIMIT 1) a
  CROSS JOIN LATERAL declared_steps(a.declaration) d WHERE d.step = p_step;
$$;

-- As in 0009, and how each began.
CREATE OR REPLACE FUNCTION known_steps(p_flow smallint, p_seq bigint, p_gen smallint) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_agg(json_build_object(
    'step', s.step, 'state', s.state, 'tries', s.tries, 'attempts', s.attempts, 'throttles', s.throttles, 'conflicts', s.conflicts,
    'keyNo', s.key_no, 'firstAt', extract(epoch FROM s.first_at) * 1000, 'maybeAt', extract(epoch FROM s.maybe_at) * 1000,
    'nextInMs', extract(epoch FROM s.next_at - clock_timestamp()) * 1000,
    'ms', s.ms, 'status', s.status, 'result', s.result, 'input', s.input, 'code', s.code, 'message', s.message, 'reason', s.reason,
    'began', coalesce(s.began, CASE WHEN s.state = 10 AND (
      SELECT EXISTS (SELECT FROM flow_adoptions a WHERE a.flow = p_flow AND a.until IS NOT NULL)   -- asked once: most flows have not changed
    ) THEN begun_as(s.flow, s.step, s.ended_at) END)))
  FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen;
$$;

-- A new owner begins with these flows at these versions. False: they are not those that are registered, or a worker that
-- started later runs a flow of the group that this one does not know. It must not own the group then.
CREATE FUNCTION adopt_flows(p_grp text, p_part integer, p_epoch bigint, p_flow smallint[], p_version integer[])
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_flow record;
  v_old flow_adoptions;
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch);
  IF EXISTS (SELECT FROM unnest(p_flow, p_version) AS m (flow, version) JOIN flows f ON f.id = m.flow WHERE f.version <> m.version)
    OR p_grp = ANY (foreign_groups((SELECT g.owner FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part), p_flow)) THEN RETURN false; END IF;
  FOR v_flow IN
    SELECT f.id, f.version, f.declaration FROM flows f WHERE f.id = ANY (p_flow) AND f.grp = p_grp AND NOT f.removed ORDER BY f.id
  LOOP
    SELECT * INTO v_old FROM flow_adoptions a WHERE a.flow = v_flow.id AND a.part = p_part AND a.until IS NULL;
    IF FOUND AND v_old.version = v_flow.version THEN CONTINUE; END IF;
    IF FOUND THEN
      IF v_old.declaration -> 'steps' <> v_flow.declaration -> 'steps' THEN
        PERFORM remember_doubt(v_flow.id, p_grp, p_part, v_old.declaration, v_flow.declaration);
        PERFORM remember_steps(v_flow.id, p_part, v_old.declaration, v_flow.declaration);
      END IF;
      UPDATE flow_adoptions a SET until = clock_timestamp() WHERE a.flow = v_flow.id AND a.part = p_part AND a.until IS NULL;
    END IF;
    INSERT INTO flow_adoptions (flow, part, version, declaration) VALUES (v_flow.id, p_part, v_flow.version, v_flow.declaration);
  END LOOP;
  RETURN true;
END $$;

-- Systems that flows of the group have called, in whatever version, and that those of this deployment do not: its open runs
-- may name them, and are due whatever becomes of them, for nobody here would ever find them open.
CREATE FUNCTION former_systems(p_grp text, p_flows smallint[]) RETURNS smallint[] LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(DISTINCT s.id), '{}')
  FROM (
    SELECT a.declaration FROM flow_adoptions a JOIN flows f ON f.id = a.flow WHERE f.grp = p_grp
    UNION SELECT f.declaration FROM flows f WHERE f.grp = p_grp
  ) a
  CROSS JOIN LATERAL declared_steps(a.declaration) d
  JOIN systems s ON s.name = d.began ->> 'system'
  WHERE s.name NOT IN (
    SELECT n.began ->> 'system' FROM flows f CROSS JOIN LATERAL declared_steps(f.declaration) n
    WHERE f.id = ANY (p_flows) AND f.grp = p_grp AND n.began ->> 'system' IS NOT NULL);
$$;

-- Lane groups with a flow that is none of these, and that a live worker runs which started later: the newest is never kept out.
CREATE FUNCTION foreign_groups(p_worker text, p_flows smallint[]) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(DISTINCT f.grp), '{}') FROM flows f
  WHERE NOT f.removed AND f.id <> ALL (p_flows)
    AND EXISTS (SELECT FROM workers w WHERE NOT w.dead AND w.lease_until >= clock_timestamp() AND f.id = ANY (w.flows)
                AND w.started_at > (SELECT m.started_at FROM workers m WHERE m.id = p_worker));
$$;

-- What may have begun without a row of its own gets one, where the new declaration would not know of it: the call of a run
-- of one plain call, which its run's row speaks of, and calls that an owner who died may have made.
CREATE FUNCTION remember_doubt(p_flow smallint, p_grp text, p_part integer, p_old jsonb, p_new jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
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
    WHERE r.flow = p_flow AND r.state IN (1, 2, 4) AND (r.maybe_at IS NOT NULL OR v_single AND r.attempts > 0) GROUP BY r.key
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
      AND o.step = ANY (v_steps) AND may_have_begun(r.flow, r.seq, r.gen, o.after)
    ON CONFLICT DO NOTHING;
    IF v_single THEN
      UPDATE runs r SET maybe_at = NULL WHERE r.flow = p_flow AND r.state IN (1, 2, 4) AND r.maybe_at IS NOT NULL;
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

-- All that it follows has ended.
CREATE FUNCTION may_have_begun(p_flow smallint, p_seq bigint, p_gen smallint, p_after jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (
    SELECT FROM jsonb_array_elements_text(p_after) AS a (step)
    WHERE NOT EXISTS (SELECT FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.step = a.step AND s.state IN (10, 11)));
$$;

-- Of steps of open runs that have not ended: how they began, as far as it differs from what they are now. A call that has surely had no effect
-- goes on as what it is now, in whatever system. One that is again what it was is not remarkable any more.
CREATE FUNCTION remember_steps(p_flow smallint, p_part integer, p_old jsonb, p_new jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_position bigint;
BEGIN
  SELECT p.position INTO v_position FROM positions p WHERE p.flow = p_flow AND p.part = p_part;
  UPDATE steps s
  SET began = CASE
    WHEN coalesce(s.began, d.was) = d.now THEN NULL
    WHEN coalesce(s.began, d.was) ->> 'kind' = 'call' AND d.now ->> 'kind' = 'call' AND s.maybe_at IS NULL AND s.state IN (1, 2, 4) THEN NULL
    ELSE coalesce(s.began, d.was) END
  FROM (
    SELECT r.seq, r.gen FROM runs r WHERE r.flow = p_flow AND r.state IN (1, 2, 3, 4)   -- runs_open_by_state
    UNION
    SELECT b.seq, b.gen FROM steps b                       -- primary key; of runs without a row
    WHERE b.flow = p_flow AND b.seq > v_position AND NOT EXISTS (SELECT FROM runs r WHERE r.flow = b.flow AND r.seq = b.seq AND r.gen = b.gen)
  ) c,
  (
    SELECT coalesce(o.step, n.step) AS step, o.began AS was, n.began AS now
    FROM declared_steps(p_old) o FULL JOIN declared_steps(p_new) n ON n.step = o.step
  ) d
  WHERE s.flow = p_flow AND s.seq = c.seq AND s.gen = c.gen AND s.step = d.step
    AND s.state < 10                                       -- what has ended is told by when it did: begun_as
    AND (s.began IS NOT NULL OR d.was IS DISTINCT FROM d.now);
END $$;

-- Open runs of a flow that cannot go on with what is registered, counted up to p_most: they have begun steps that it does
-- not have, or has as something else.
CREATE FUNCTION stranded_runs(p_flow smallint, p_most integer) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM (
    SELECT FROM flows f
    JOIN (SELECT * FROM runs r WHERE r.flow = p_flow AND r.state IN (1, 2, 3, 4) LIMIT 10000) r ON true
    WHERE f.id = p_flow AND f.version > 1 AND (r.code = 'flow.changed' AND r.state = 4 OR EXISTS (
      SELECT FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen
        AND (s.step NOT IN (SELECT d.step FROM declared_steps(f.declaration) d)
             OR s.began IS NOT NULL AND (s.state < 10 OR r.compensating))))
    LIMIT p_most) c;
$$;

-- Every flow in force: whether a live worker runs it (null: nobody lives who would say), its open runs, whether events wait
-- for it, and how many of its runs cannot go on.
CREATE FUNCTION flow_standings(p_most integer)
RETURNS TABLE (id smallint, name text, deployed boolean, open bigint, pending boolean, stranded bigint) LANGUAGE sql STABLE AS $$
  WITH live AS MATERIALIZED (
    SELECT w.flows FROM workers w WHERE NOT w.dead AND w.lease_until >= clock_timestamp()
  )
  SELECT f.id, f.name,
         CASE WHEN EXISTS (SELECT FROM live) THEN EXISTS (SELECT FROM live l WHERE l.flows IS NULL OR f.id = ANY (l.flows)) END,
         (SELECT count(*) FROM (SELECT FROM runs r WHERE r.flow = f.id AND r.state IN (1, 2, 3, 4) LIMIT p_most) c),
         EXISTS (SELECT FROM positions p WHERE p.flow = f.id AND EXISTS (
           SELECT FROM (SELECT e.seq, e.type FROM events e WHERE e.seq > p.position ORDER BY e.seq LIMIT 2000) e
           WHERE e.type = ANY (f.types) AND NOT EXISTS (SELECT FROM runs r WHERE r.flow = f.id AND r.seq = e.seq AND r.gen = 0))),
         stranded_runs(f.id, p_most)
  FROM flows f WHERE NOT f.removed ORDER BY f.name;
$$;

-- A person says that a flow is gone for good: nothing waits for it any more. Only one that no live worker runs, and that
-- has no open runs. Should it come back under its name, it goes on where it was.
CREATE FUNCTION remove_flow(p_name text, p_actor text, p_reason text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_flow flows;
BEGIN
  PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
  SELECT * INTO v_flow FROM flows f WHERE f.name = p_name AND NOT f.removed FOR UPDATE;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  IF EXISTS (SELECT FROM workers w WHERE NOT w.dead AND w.lease_until >= clock_timestamp() AND v_flow.id = ANY (w.flows)) THEN
    RETURN 'deployed';
  END IF;
  IF EXISTS (SELECT FROM runs r WHERE r.flow = v_flow.id AND r.state IN (1, 2, 3, 4)) THEN RETURN 'open'; END IF;
  UPDATE flows f SET removed = true WHERE f.id = v_flow.id;
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, 'remove', 'flow ' || p_name, p_reason, jsonb_build_object('removed', false), jsonb_build_object('removed', true));
  RETURN 'done';
END $$;
