-- A call that its owner was told had failed may be under way still, held up by a network or a proxy, and land long after it was
-- repeated: a flush would take a run back that has been claimed meanwhile, and then is delivered twice; a claim would take runs
-- that nobody knows of. An owner counts its flushes and its claims; one whose predecessor's outcome is unknown says so, and
-- once it has landed, none with a lower number does. Processes of before, which count nothing, call all of these as they did.
ALTER TABLE lane_groups ADD COLUMN flush_from bigint NOT NULL DEFAULT 0, ADD COLUMN claim_from bigint NOT NULL DEFAULT 0;

-- As fence, for a call that is counted (p_no null: it is not).
CREATE FUNCTION fence_turn(
  p_grp text, p_part integer, p_epoch bigint, p_call text, p_no bigint, p_again boolean, p_moves boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_from bigint;
BEGIN
  -- Waits for a repetition that is under way, and then sees what it has written.
  IF p_moves OR p_again THEN
    SELECT CASE p_call WHEN 'flush' THEN g.flush_from ELSE g.claim_from END INTO v_from
    FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part AND g.epoch = p_epoch FOR NO KEY UPDATE;
  ELSE
    SELECT CASE p_call WHEN 'flush' THEN g.flush_from ELSE g.claim_from END INTO v_from
    FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part AND g.epoch = p_epoch FOR SHARE;
  END IF;
  IF v_from IS NULL OR p_no <= v_from THEN
    RAISE EXCEPTION 'the lease of lane group % is lost', p_grp USING ERRCODE = 'BB001';
  END IF;
  IF p_again AND p_no IS NOT NULL THEN
    UPDATE lane_groups g
    SET flush_from = CASE p_call WHEN 'flush' THEN p_no ELSE g.flush_from END,
        claim_from = CASE p_call WHEN 'claim' THEN p_no ELSE g.claim_from END
    WHERE g.grp = p_grp AND g.part = p_part;
  END IF;
END $$;

DROP FUNCTION flush;
-- As in 0010, counted.
CREATE FUNCTION flush(
  p_grp text, p_part integer, p_epoch bigint, p_worker text,
  d_flow smallint[], d_seq bigint[], d_system smallint[], d_tries integer[], d_first double precision[], d_ms integer[], d_status smallint[],
  p_runs json, p_steps json, p_attempts json, p_problems json, p_signals text[], p_links json, p_waits json, p_sequences json,
  p_flow smallint[], p_version integer[], p_position bigint[], p_claimed bigint, p_resolved boolean, p_at double precision,
  p_no bigint DEFAULT NULL, p_again boolean DEFAULT false
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
  v_khash integer[];
BEGIN
  PERFORM fence_turn(p_grp, p_part, p_epoch, 'flush', p_no, p_again, p_claimed > 0);
  IF p_runs IS NOT NULL THEN
    SELECT array_agg(k.key), array_agg(k.khash) INTO v_keys, v_khash
    FROM (SELECT r.key, min(r.khash) AS khash FROM json_to_recordset(p_runs) AS r (key text, khash integer) GROUP BY r.key) k;
    PERFORM lock_lanes(p_grp, v_keys, v_khash);
  END IF;
  IF p_steps IS NOT NULL THEN PERFORM write_steps(p_steps); END IF;
  IF cardinality(d_seq) > 0 THEN
    INSERT INTO runs (flow, seq, state, system, tries, attempts, first_at, ended_at, ms, status)
    SELECT d.flow, d.seq, 10, d.system, d.tries, d.tries, to_timestamp(d.first / 1000), clock_timestamp(), d.ms, nullif(d.status, 0)
    FROM unnest(d_flow, d_seq, d_system, d_tries, d_first, d_ms, d_status) AS d (flow, seq, system, tries, first, ms, status)
    ON CONFLICT (flow, seq, gen) DO NOTHING;
  END IF;
  IF p_runs IS NOT NULL THEN
    PERFORM write_runs(p_grp, p_runs);
  END IF;
  IF p_sequences IS NOT NULL THEN PERFORM write_sequences(p_grp, p_sequences); END IF;
  IF p_runs IS NOT NULL THEN PERFORM settle_lanes(p_grp, v_keys); END IF;
  IF cardinality(p_signals) > 0 THEN PERFORM wake_waiting(p_grp, p_signals); END IF;
  IF p_attempts IS NOT NULL THEN PERFORM write_attempts(p_worker, p_attempts); END IF;
  IF p_problems IS NOT NULL THEN PERFORM write_problems(p_problems); END IF;
  IF p_links IS NOT NULL OR p_waits IS NOT NULL THEN PERFORM write_links(p_grp, p_links, p_waits); END IF;
  IF p_claimed > 0 THEN PERFORM move_on(p_grp, p_part, p_flow, p_version, p_position, p_claimed, p_resolved, p_at); END IF;
END $$;

DROP FUNCTION claim;
-- As in 0012, counted; and whatever has come before them meanwhile, p_again answers all that is running in these lanes: of what
-- the same claim took, and is not told, nobody would know.
CREATE FUNCTION claim(
  p_grp text, p_part integer, p_epoch bigint, p_keys text[], p_max_runs integer, p_max_bytes bigint, p_again boolean, p_no bigint DEFAULT NULL
) RETURNS TABLE (
  flow smallint, gen smallint, key text, lord bigint, ord smallint, maybe_at double precision, tries integer, attempts integer,
  throttles smallint, conflicts smallint, crashes smallint, first_at double precision, compensating boolean, key_gen smallint, steps json,
  awaits text, last bigint, last_seq bigint,
  seq bigint, source text, id text, type text, event_key text, khash integer, received_at double precision, data text, ext text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_due text[];
BEGIN
  PERFORM fence_turn(p_grp, p_part, p_epoch, 'claim', p_no, p_again, false);
  SELECT array_agg(d.key) INTO v_due FROM (
    SELECT l.key FROM lanes l WHERE l.grp = p_grp AND l.key = ANY (p_keys) AND (l.next_at <= clock_timestamp() OR p_again)
    ORDER BY l.key FOR UPDATE
  ) d;
  IF v_due IS NULL THEN RETURN; END IF;
  RETURN QUERY
  WITH picked AS (
    SELECT w.flow, w.seq, w.gen
    FROM unnest(v_due) AS k (key)
    CROSS JOIN LATERAL (
      SELECT o.flow, o.seq, o.gen, o.state, row_number() OVER lane AS place, sum(octet_length(e.data)) OVER lane AS bytes,
             bool_or(o.state = 4 AND o.awaits IS NULL OR o.state = 3 AND NOT p_again OR (o.state = 2 OR o.awaits IS NOT NULL)
                     AND coalesce(o.next_at, 'infinity') > clock_timestamp()) OVER lane AS blocked
      FROM (
        (SELECT r.* FROM runs r                            -- runs_open_by_lane
         WHERE r.grp = p_grp AND r.key = k.key AND r.state < 10 AND r.holds
         ORDER BY r.lord, r.seq, r.ord LIMIT p_max_runs)
        UNION
        SELECT r.* FROM runs r                             -- runs_running_by_lane
        WHERE p_again AND r.grp = p_grp AND r.key = k.key AND r.state = 3
      ) o
      JOIN events e ON e.seq = o.seq
      WINDOW lane AS (ORDER BY o.lord, o.seq, o.ord)
    ) w
    WHERE NOT w.blocked AND (w.place = 1 OR w.bytes <= p_max_bytes) OR p_again AND w.state = 3
  ), taken AS (
    UPDATE runs r SET state = 3, claimed_at = clock_timestamp(), reason = NULL, awaits = CASE r.awaits WHEN 'gap' THEN 'gap' END FROM picked p
    WHERE r.flow = p.flow AND r.seq = p.seq AND r.gen = p.gen
    RETURNING r.*
  )
  SELECT t.flow, t.gen, t.key, t.lord, t.ord, extract(epoch FROM t.maybe_at)::double precision * 1000, t.tries, t.attempts,
         t.throttles, t.conflicts, t.crashes, extract(epoch FROM t.first_at)::double precision * 1000,
         t.compensating, t.key_gen, known_steps(t.flow, t.seq, t.gen), t.awaits, s.last, s.seq,
         e.seq, e.source, e.id, e.type, e.key, e.khash, extract(epoch FROM e.received_at)::double precision * 1000, e.data, e.ext
  FROM taken t JOIN events e ON e.seq = t.seq LEFT JOIN sequences s ON s.grp = t.grp AND s.key = t.key
  ORDER BY t.key, t.lord, t.seq, t.ord;
  PERFORM settle_lanes(p_grp, v_due);
END $$;

-- As in 0021, and a repeated claim, which writes the row that fences, locks it so before any lane.
CREATE OR REPLACE FUNCTION replace_older(
  p_grp text, p_part integer, p_epoch bigint, p_keys text[], p_again boolean, p_flows smallint[], p_settle_ms double precision[]
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  v_due text[];
  v_changed text[] := '{}';
  v_lane record;
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch, p_again);
  SELECT array_agg(d.key) INTO v_due FROM (
    SELECT l.key FROM lanes l WHERE l.grp = p_grp AND l.key = ANY (p_keys) AND (l.next_at <= clock_timestamp() OR p_again)
    ORDER BY l.key FOR UPDATE
  ) d;
  FOR v_lane IN
    SELECT r.key, r.flow, max(f.settle) AS settle
    FROM unnest(p_flows, p_settle_ms) AS f (flow, settle)
    JOIN runs r ON r.grp = p_grp AND r.key = ANY (v_due) AND r.state < 10 AND r.flow = f.flow AND r.gen = 0   -- runs_open_by_lane
    GROUP BY r.key, r.flow HAVING count(*) > 1             -- mostly none: a flush has replaced the older ones
  LOOP
    PERFORM supersede_older(p_grp, v_lane.key, v_lane.flow, v_lane.settle);
    PERFORM hold_older(p_grp, v_lane.key, v_lane.flow, v_lane.settle);
    v_changed := v_changed || v_lane.key;
  END LOOP;
  IF v_changed <> '{}' THEN PERFORM settle_lanes(p_grp, v_changed); END IF;
  RETURN p_keys;
END $$;

DROP FUNCTION acquire_group;
-- As in 0022, only as long as nothing has happened to the partition since it was looked at (p_epoch null: whatever it is): an
-- acquire that lands late would end the lease of whoever has it by now. A new owner counts anew.
CREATE FUNCTION acquire_group(p_worker text, p_grp text, p_part integer, p_epoch bigint DEFAULT NULL) RETURNS SETOF lane_groups LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM workers w WHERE w.id = p_worker AND NOT w.dead FOR SHARE;
  IF NOT FOUND THEN RETURN; END IF;
  RETURN QUERY
  UPDATE lane_groups g SET owner = p_worker, epoch = g.epoch + 1, flush_from = 0, claim_from = 0
  WHERE g.grp = p_grp AND g.part = p_part AND (p_epoch IS NULL OR g.epoch = p_epoch)
    AND (g.owner = p_worker OR g.owner IS NULL AND g.parts = g.wanted)
  RETURNING g.*;
END $$;

-- Permits that a late answer gave, or took, would be known to nobody: a worker counts what it asks, too.
ALTER TABLE permits ADD COLUMN no bigint NOT NULL DEFAULT 0;

DROP FUNCTION set_permits;
-- As in 0005, counted (p_no null: not).
CREATE FUNCTION set_permits(
  p_system smallint, p_worker text, p_want integer, p_limit integer, p_timeout_ms double precision, p_no bigint DEFAULT NULL,
  OUT granted integer, OUT others_waiting integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_others integer;
  v_lives boolean;
BEGIN
  PERFORM 1 FROM systems WHERE id = p_system FOR UPDATE;
  DELETE FROM permits p USING workers w
  WHERE p.system = p_system AND w.id = p.worker AND w.dead
    AND w.lease_until + p_timeout_ms * interval '1 ms' < clock_timestamp();
  PERFORM 1 FROM workers w WHERE w.id = p_worker AND NOT w.dead FOR KEY SHARE;
  v_lives := FOUND;
  SELECT coalesce(sum(n), 0), count(*) FILTER (WHERE waits) INTO v_others, others_waiting
  FROM permits WHERE system = p_system AND worker <> p_worker;
  granted := CASE WHEN v_lives THEN greatest(0, least(p_want, p_limit - v_others)) ELSE 0 END;
  IF NOT v_lives THEN RETURN; END IF;
  INSERT INTO permits AS t (system, worker, n, waits, no) VALUES (p_system, p_worker, granted, granted < p_want, coalesce(p_no, 0))
  ON CONFLICT (system, worker) DO UPDATE SET n = excluded.n, waits = excluded.waits, no = greatest(t.no, excluded.no)
  WHERE p_no IS NULL OR t.no < p_no;
END $$;
