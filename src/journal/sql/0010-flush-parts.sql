-- A flush in parts, each a function of its own, so that one can grow without the others being written again; and what
-- runs beside their outcomes leave behind: cross-references, and how far a sequence has come.

-- The generation whose idempotency keys a run sends; null: its own. A replay may send those of the run that it repeats.
ALTER TABLE runs ADD COLUMN key_gen smallint;

-- As in 0009, and now its plan is kept from one call to the next.
CREATE OR REPLACE FUNCTION write_steps(p_steps json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO steps (flow, seq, gen, step, state, tries, attempts, throttles, conflicts, first_at, ended_at, next_at, maybe_at,
                     ms, status, result, code, message, reason)
  SELECT DISTINCT ON (s.flow, s.seq, s.gen, s.step) s.flow, s.seq, s.gen, s.step, s.state, s.tries, s.attempts, s.throttles, s.conflicts,
         to_timestamp(s."firstAt" / 1000), CASE WHEN s.state >= 10 THEN clock_timestamp() END,
         clock_timestamp() + s."nextInMs" * interval '1 ms', to_timestamp(s."maybeAt" / 1000),
         s.ms, s.status, s.result, s.code, s.message, s.reason
  FROM ROWS FROM (json_to_recordset(p_steps) AS (
    flow smallint, seq bigint, gen smallint, step text, state smallint, tries integer, attempts integer, throttles smallint,
    conflicts smallint, "firstAt" double precision, "nextInMs" double precision, "maybeAt" double precision, ms integer,
    status smallint, result text, code text, message text, reason text)) WITH ORDINALITY AS s (
    flow, seq, gen, step, state, tries, attempts, throttles, conflicts, "firstAt", "nextInMs", "maybeAt", ms,
    status, result, code, message, reason, place)
  WHERE NOT EXISTS (SELECT FROM runs r WHERE r.flow = s.flow AND r.seq = s.seq AND r.gen = s.gen AND r.state <> 3)
  ORDER BY s.flow, s.seq, s.gen, s.step, s.place DESC
  ON CONFLICT (flow, seq, gen, step) DO UPDATE SET
    state = excluded.state, tries = excluded.tries, attempts = excluded.attempts, throttles = excluded.throttles,
    conflicts = excluded.conflicts, first_at = excluded.first_at,
    ended_at = CASE WHEN steps.state = excluded.state THEN coalesce(steps.ended_at, excluded.ended_at) ELSE excluded.ended_at END,
    next_at = excluded.next_at, maybe_at = excluded.maybe_at, ms = excluded.ms, status = excluded.status,
    result = excluded.result, code = excluded.code, message = excluded.message, reason = excluded.reason;
END $$;

-- Runs with rows, in lanes that are locked.
CREATE FUNCTION write_runs(p_grp text, p_runs json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO runs AS t (flow, seq, gen, state, system, tries, attempts, first_at, ended_at, ms, status, holds, phase, ord, khash,
                         lord, grp, key, maybe_at, next_at, throttles, conflicts, crashes, code, message, fp, reason, compensating, awaits)
  SELECT DISTINCT ON (r.flow, r.seq, r.gen) r.flow, r.seq, r.gen, r.state, r.system, r.tries, r.attempts, to_timestamp(r."firstAt" / 1000),
         CASE WHEN r.state >= 10 THEN clock_timestamp() END, r.ms, r.status, r.holds, r.phase, r.ord, r.khash, r.lord,
         p_grp, r.key, to_timestamp(r."maybeAt" / 1000),
         clock_timestamp() + CASE WHEN r.state = 2 THEN coalesce(r."nextInMs", 0) WHEN r.awaits IS NOT NULL THEN r."nextInMs" END
           * interval '1 ms',
         r.throttles, r.conflicts, r.crashes, r.code, r.message, r.fp, r.reason, coalesce(r.compensating, false), r.awaits
  FROM ROWS FROM (json_to_recordset(p_runs) AS (
    flow smallint, seq bigint, gen smallint, state smallint, system smallint, tries integer, attempts integer, "firstAt" double precision,
    ms integer, status smallint, holds boolean, phase smallint, ord smallint, khash integer, lord bigint, key text,
    "maybeAt" double precision, "nextInMs" double precision, throttles smallint, conflicts smallint, crashes smallint,
    code text, message text, fp text, reason text, compensating boolean, awaits text)) WITH ORDINALITY AS r (
    flow, seq, gen, state, system, tries, attempts, "firstAt", ms, status, holds, phase, ord, khash, lord, key,
    "maybeAt", "nextInMs", throttles, conflicts, crashes, code, message, fp, reason,
    compensating, awaits, place)
  ORDER BY r.flow, r.seq, r.gen, r.place DESC
  ON CONFLICT (flow, seq, gen) DO UPDATE SET
    state = excluded.state, system = excluded.system, tries = excluded.tries, attempts = excluded.attempts,
    first_at = coalesce(t.first_at, excluded.first_at), ended_at = excluded.ended_at, ms = excluded.ms,
    status = excluded.status, holds = excluded.holds, phase = excluded.phase, maybe_at = excluded.maybe_at,
    next_at = excluded.next_at, throttles = excluded.throttles, conflicts = excluded.conflicts,
    crashes = excluded.crashes, code = excluded.code, message = excluded.message, fp = excluded.fp, reason = excluded.reason,
    compensating = excluded.compensating, awaits = excluded.awaits
  WHERE t.state = 3;
END $$;

CREATE FUNCTION write_attempts(p_worker text, p_attempts json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO attempts (flow, seq, gen, step, no, kind, outcome, at, ms, status, code, message, request, response, worker)
  SELECT a.flow, a.seq, a.gen, a.step, a.no, a.kind, a.outcome, to_timestamp(a.at / 1000), a.ms, a.status, a.code,
         a.message, a.request, a.response, p_worker
  FROM json_to_recordset(p_attempts) AS a (
    flow smallint, seq bigint, gen smallint, step text, no integer, kind text, outcome text, at double precision,
    ms integer, status smallint, code text, message text, request text, response text)
  ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION write_problems(p_problems json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO problems AS t (fp, system, code, title)
  SELECT DISTINCT ON (p.fp COLLATE "C") p.fp, p.system, p.code, p.title
  FROM json_to_recordset(p_problems) AS p (fp text, system text, code text, title text) ORDER BY p.fp COLLATE "C"
  ON CONFLICT (fp) DO UPDATE SET
    last_seen = clock_timestamp(), state = CASE t.state WHEN 'resolved' THEN 'open' ELSE t.state END;
END $$;

-- How far the owner has come, and how far it may go.
CREATE FUNCTION move_on(
  p_grp text, p_part integer, p_flow smallint[], p_version integer[], p_position bigint[], p_claimed bigint, p_resolved boolean, p_at double precision
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE positions p SET position = n.position
  FROM unnest(p_flow, p_version, p_position) AS n (flow, version, position),
       -- Against a registration under way: either it sees this position, or this sees its version and stays.
       (SELECT f.id, f.version FROM flows f WHERE f.id = ANY (p_flow) ORDER BY f.id FOR SHARE) f
  WHERE p.flow = n.flow AND p.part = p_part AND p.position < n.position AND f.id = n.flow AND f.version = n.version;
  UPDATE lane_groups g
  SET claimed_to = greatest(g.claimed_to, p_claimed), flushed_at = least(clock_timestamp(), to_timestamp(p_at / 1000)),
      unclean = CASE WHEN p_resolved THEN 0 ELSE g.unclean END,
      suspect_to = CASE WHEN p_resolved THEN 0 ELSE g.suspect_to END
  WHERE g.grp = p_grp AND g.part = p_part;
END $$;

-- Cross-references that steps have given, and those that runs wait for: see 0011.
CREATE FUNCTION write_links(p_grp text, p_links json, p_waits json) RETURNS void LANGUAGE sql AS $$ $$;

-- How far the sequence of a key has come: see 0012.
CREATE FUNCTION write_sequences(p_grp text, p_sequences json) RETURNS void LANGUAGE sql AS $$ $$;

DROP FUNCTION flush;
-- All that an owner has to write, in one transaction. Repeating it changes nothing: natural keys, no increments, and a
-- row is only updated while it is running; steps likewise, or while their run has no row. Of several rows of one run the
-- last counts. Plain successes (d_*) are by far the most, hence arrays for them and JSON for the rest. p_signals: keys of
-- events that somebody may wait for.
CREATE FUNCTION flush(
  p_grp text, p_part integer, p_epoch bigint, p_worker text,
  d_flow smallint[], d_seq bigint[], d_system smallint[], d_tries integer[], d_first double precision[], d_ms integer[], d_status smallint[],
  p_runs json, p_steps json, p_attempts json, p_problems json, p_signals text[], p_links json, p_waits json, p_sequences json,
  p_flow smallint[], p_version integer[], p_position bigint[], p_claimed bigint, p_resolved boolean, p_at double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
  v_khash integer[];
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch, p_claimed > 0);
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
-- Takes the open runs at the head of these lanes: they become running. None behind a parked or running one, none that
-- is not due, at most p_max_runs and p_max_bytes a lane (but at least one). p_again: the outcome of the same claim is
-- unknown, so what is running in these lanes is answered too.
CREATE FUNCTION claim(
  p_grp text, p_part integer, p_epoch bigint, p_keys text[], p_max_runs integer, p_max_bytes bigint, p_again boolean
) RETURNS TABLE (
  flow smallint, gen smallint, key text, lord bigint, ord smallint, maybe_at double precision, tries integer, attempts integer,
  throttles smallint, conflicts smallint, crashes smallint, first_at double precision, compensating boolean, key_gen smallint, steps json,
  seq bigint, source text, id text, type text, event_key text, khash integer, received_at double precision, data text, ext text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_due text[];
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch);
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
      SELECT o.flow, o.seq, o.gen, row_number() OVER lane AS place, sum(octet_length(e.data)) OVER lane AS bytes,
             bool_or(o.state = 4 AND o.awaits IS NULL OR o.state = 3 AND NOT p_again OR (o.state = 2 OR o.awaits IS NOT NULL)
                     AND coalesce(o.next_at, 'infinity') > clock_timestamp()) OVER lane AS blocked
      FROM (
        SELECT r.* FROM runs r                             -- runs_open_by_lane
        WHERE r.grp = p_grp AND r.key = k.key AND r.state < 10 AND r.holds
        ORDER BY r.lord, r.seq, r.ord LIMIT p_max_runs
      ) o
      JOIN events e ON e.seq = o.seq
      WINDOW lane AS (ORDER BY o.lord, o.seq, o.ord)
    ) w
    WHERE NOT w.blocked AND (w.place = 1 OR w.bytes <= p_max_bytes)
  ), taken AS (
    UPDATE runs r SET state = 3, reason = NULL, awaits = NULL FROM picked p
    WHERE r.flow = p.flow AND r.seq = p.seq AND r.gen = p.gen
    RETURNING r.*
  )
  SELECT t.flow, t.gen, t.key, t.lord, t.ord, extract(epoch FROM t.maybe_at)::double precision * 1000, t.tries, t.attempts,
         t.throttles, t.conflicts, t.crashes, extract(epoch FROM t.first_at)::double precision * 1000,
         t.compensating, t.key_gen, known_steps(t.flow, t.seq, t.gen),
         e.seq, e.source, e.id, e.type, e.key, e.khash, extract(epoch FROM e.received_at)::double precision * 1000, e.data, e.ext
  FROM taken t JOIN events e ON e.seq = t.seq
  ORDER BY t.key, t.lord, t.seq, t.ord;
  PERFORM settle_lanes(p_grp, v_due);
END $$;
