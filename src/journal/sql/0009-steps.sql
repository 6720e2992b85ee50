-- Runs of several steps: what each step came to, what a run waits for, and whether it is being undone.

-- compensating: no step goes forward any more, what was done is undone. awaits: the run waits for something other than
-- its turn ('timer', 'signal', 'approval'), until next_at (null: for ever) or until it is woken.
ALTER TABLE runs ADD COLUMN compensating boolean NOT NULL DEFAULT false, ADD COLUMN awaits text;

-- Steps of flows with several: a row as soon as there is something to say. Nothing was written here before.
-- state: 1 waiting 2 retrying 4 failed 5 undoing 6 undo failed | 10 done 11 skipped 12 undone 13 kept
DROP TABLE steps;
CREATE TABLE steps (
  flow      smallint,
  seq       bigint,
  gen       smallint,
  step      text COLLATE "C",
  state     smallint NOT NULL,
  tries     integer NOT NULL DEFAULT 0,
  attempts  integer NOT NULL DEFAULT 0,
  throttles smallint NOT NULL DEFAULT 0,
  conflicts smallint NOT NULL DEFAULT 0,
  key_no    smallint NOT NULL DEFAULT 0,     -- rises when its input is edited: another idempotency key
  first_at  timestamptz,
  ended_at  timestamptz,
  next_at   timestamptz,                     -- of retrying, undoing and waiting ones; null: until it is woken
  maybe_at  timestamptz,                     -- its effect may have happened, sent at this time at the latest
  ms        integer,
  status    smallint,
  result    text,                            -- JSON
  input     text,                            -- the event's data as a person has edited it for this step, JSON
  code      text,
  message   text,
  reason    text,
  PRIMARY KEY (flow, seq, gen, step)
);

-- After the runs of locked lanes have changed: lanes with nothing open end, the others follow their head, unless one of
-- their runs is running: it need not be the head, which an act or a replay may have put before it. A lane that is due
-- already stays where it stands, else one that never stops growing would never be the longest due. Two statements after
-- the lock, because a statement that waited for a lock still sees its old snapshot elsewhere.
CREATE OR REPLACE FUNCTION settle_lanes(p_grp text, p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM lanes l
  WHERE l.grp = p_grp AND l.key = ANY (p_keys)
    AND NOT EXISTS (SELECT FROM runs r WHERE r.grp = l.grp AND r.key = l.key AND r.state < 10 AND r.holds);
  UPDATE lanes l
  SET system = h.system,
      reason = h.reason,
      awaits = h.awaits,
      next_at = CASE
        WHEN h.state = 3 OR EXISTS (SELECT FROM runs b WHERE b.grp = p_grp AND b.key = l.key AND b.state = 3)  -- runs_running_by_lane
          THEN 'infinity'
        WHEN h.awaits IS NOT NULL THEN coalesce(h.next_at, 'infinity')   -- also of a parked run that will be compensated
        WHEN h.state = 4 THEN 'infinity'
        WHEN h.state = 1 THEN least(l.next_at, clock_timestamp())
        ELSE h.next_at END
  FROM unnest(p_keys) AS k (key)
  CROSS JOIN LATERAL (
    SELECT r.state, r.system, r.next_at, r.reason, r.awaits
    FROM runs r                                            -- runs_open_by_lane
    WHERE r.grp = p_grp AND r.key = k.key AND r.state < 10 AND r.holds
    ORDER BY r.lord, r.seq, r.ord LIMIT 1
  ) h
  WHERE l.grp = p_grp AND l.key = k.key;
END $$;

-- Steps of runs that are running, or have no row. A person's changes (key_no, input) are not the owner's to write.
CREATE FUNCTION write_steps(p_steps json) RETURNS void LANGUAGE sql AS $$
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
$$;

-- What is known of a run's steps; null where none has a row.
CREATE FUNCTION known_steps(p_flow smallint, p_seq bigint, p_gen smallint) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_agg(json_build_object(
    'step', s.step, 'state', s.state, 'tries', s.tries, 'attempts', s.attempts, 'throttles', s.throttles, 'conflicts', s.conflicts,
    'keyNo', s.key_no, 'firstAt', extract(epoch FROM s.first_at) * 1000, 'maybeAt', extract(epoch FROM s.maybe_at) * 1000,
    'nextInMs', extract(epoch FROM s.next_at - clock_timestamp()) * 1000,
    'ms', s.ms, 'status', s.status, 'result', s.result, 'input', s.input, 'code', s.code, 'message', s.message, 'reason', s.reason))
  FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen;
$$;

-- Lanes whose head waits for an event of their key are due: what they wait for may have come.
CREATE FUNCTION wake_waiting(p_grp text, p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_keys text[];
BEGIN
  SELECT array_agg(l.key) INTO v_keys FROM (
    SELECT l.key FROM lanes l WHERE l.grp = p_grp AND l.key = ANY (p_keys) AND l.awaits = 'signal' ORDER BY l.key FOR UPDATE
  ) l;
  IF v_keys IS NULL THEN RETURN; END IF;
  UPDATE runs r SET next_at = clock_timestamp()
  WHERE r.grp = p_grp AND r.key = ANY (v_keys) AND r.state < 10 AND r.awaits = 'signal';
  PERFORM settle_lanes(p_grp, v_keys);
END $$;

DROP FUNCTION flush;
-- All that an owner has to write, in one transaction. Repeating it changes nothing: natural keys, no increments, and a
-- row is only updated while it is running; steps likewise, or while their run has no row. Of several rows of one run the
-- last counts. Plain successes (d_*) are by far the most, hence arrays for them and JSON for the rest. p_signals: keys of
-- events that somebody may wait for.
CREATE FUNCTION flush(
  p_grp text, p_part integer, p_epoch bigint, p_worker text,
  d_flow smallint[], d_seq bigint[], d_system smallint[], d_tries integer[], d_first double precision[], d_ms integer[], d_status smallint[],
  p_runs json, p_steps json, p_attempts json, p_problems json, p_signals text[],
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
    PERFORM settle_lanes(p_grp, v_keys);
  END IF;
  IF cardinality(p_signals) > 0 THEN PERFORM wake_waiting(p_grp, p_signals); END IF;
  IF p_attempts IS NOT NULL THEN
    INSERT INTO attempts (flow, seq, gen, step, no, kind, outcome, at, ms, status, code, message, request, response, worker)
    SELECT a.flow, a.seq, a.gen, a.step, a.no, a.kind, a.outcome, to_timestamp(a.at / 1000), a.ms, a.status, a.code,
           a.message, a.request, a.response, p_worker
    FROM json_to_recordset(p_attempts) AS a (
      flow smallint, seq bigint, gen smallint, step text, no integer, kind text, outcome text, at double precision,
      ms integer, status smallint, code text, message text, request text, response text)
    ON CONFLICT DO NOTHING;
  END IF;
  IF p_problems IS NOT NULL THEN
    INSERT INTO problems AS t (fp, system, code, title)
    SELECT DISTINCT ON (p.fp COLLATE "C") p.fp, p.system, p.code, p.title
    FROM json_to_recordset(p_problems) AS p (fp text, system text, code text, title text) ORDER BY p.fp COLLATE "C"
    ON CONFLICT (fp) DO UPDATE SET
      last_seen = clock_timestamp(), state = CASE t.state WHEN 'resolved' THEN 'open' ELSE t.state END;
  END IF;
  IF p_claimed > 0 THEN
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
  END IF;
END $$;

DROP FUNCTION claim;
-- Takes the open runs at the head of these lanes: they become running. None behind a parked or running one, none that
-- is not due, at most p_max_runs and p_max_bytes a lane (but at least one). p_again: the outcome of the same claim is
-- unknown, so what is running in these lanes is answered too.
CREATE FUNCTION claim(
  p_grp text, p_part integer, p_epoch bigint, p_keys text[], p_max_runs integer, p_max_bytes bigint, p_again boolean
) RETURNS TABLE (
  flow smallint, gen smallint, key text, lord bigint, ord smallint, maybe_at double precision, tries integer, attempts integer,
  throttles smallint, conflicts smallint, crashes smallint, first_at double precision, compensating boolean, steps json,
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
         t.compensating, known_steps(t.flow, t.seq, t.gen),
         e.seq, e.source, e.id, e.type, e.key, e.khash, extract(epoch FROM e.received_at)::double precision * 1000, e.data, e.ext
  FROM taken t JOIN events e ON e.seq = t.seq
  ORDER BY t.key, t.lord, t.seq, t.ord;
  PERFORM settle_lanes(p_grp, v_due);
END $$;

-- What a person may do to a run, as in 0006-acts.sql, and now to its steps: a retry goes on where it failed, forward or
-- back; 'compensate' turns it round, a succeeded one of several steps too, whose lane it opens again.
CREATE OR REPLACE FUNCTION act_on_run(
  p_flow smallint, p_seq bigint, p_gen smallint, p_verb text, p_actor text, p_reason text,
  OUT result text, OUT state_before smallint, OUT state_after smallint
) LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
BEGIN
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
  IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
  state_before := v_run.state;
  IF v_run.state >= 10 AND NOT (p_verb = 'compensate' AND v_run.state = 10) THEN result := 'ended'; RETURN; END IF;
  v_run := lock_run(v_run);
  state_before := v_run.state;
  IF p_verb = 'retry' AND v_run.state IN (2, 4) THEN
    PERFORM retry_steps(p_flow, p_seq, p_gen);
    UPDATE runs SET state = 2, holds = true, next_at = clock_timestamp(), reason = NULL, awaits = NULL,
      tries = CASE WHEN v_run.state = 4 THEN 0 ELSE tries END, throttles = 0, conflicts = 0, crashes = 0
    WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
    result := 'done'; state_after := 2;
  ELSIF p_verb = 'skip' AND v_run.state IN (1, 2, 4) THEN
    UPDATE runs SET state = 11, ended_at = clock_timestamp(), reason = p_reason, next_at = NULL, awaits = NULL
    WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
    result := 'done'; state_after := 11;
  ELSIF p_verb = 'compensate' AND v_run.state IN (1, 2, 4, 10) AND NOT v_run.compensating
    AND EXISTS (SELECT FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen) THEN
    UPDATE runs SET state = 2, compensating = true, holds = true, ended_at = NULL, next_at = clock_timestamp(), awaits = NULL,
      reason = p_reason, code = NULL, message = NULL, fp = NULL, tries = 0, throttles = 0, conflicts = 0, crashes = 0
    WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
    result := 'done'; state_after := 2;
  ELSE
    result := CASE WHEN v_run.state < 10 OR p_verb = 'compensate' THEN 'refused' ELSE 'ended' END;   -- it may have ended while this waited
    state_after := v_run.state;
  END IF;
  PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]);
  IF result = 'done' THEN
    PERFORM audit_run(v_run, p_verb, p_actor, p_reason,
      jsonb_build_object('state', state_before, 'tries', v_run.tries, 'code', v_run.code), jsonb_build_object('state', state_after));
  END IF;
END $$;

-- Locks the lane first, like the owner, then the run. A plain success has no lane in its row: the event and the flow know it.
CREATE FUNCTION lock_run(p_run runs) RETURNS runs LANGUAGE plpgsql AS $$
DECLARE v_run runs;
BEGIN
  IF p_run.grp IS NULL THEN
    UPDATE runs r SET grp = f.grp, ord = f.ord, khash = e.khash, lord = r.seq,
      key = CASE WHEN f.declaration ->> 'ordering' <> 'none' AND e.key IS NOT NULL THEN e.key ELSE '#' || r.flow || ':' || r.seq END
    FROM flows f, events e WHERE r.flow = p_run.flow AND r.seq = p_run.seq AND r.gen = p_run.gen AND f.id = r.flow AND e.seq = r.seq
    RETURNING r.* INTO p_run;
  END IF;
  PERFORM lock_lanes(p_run.grp, ARRAY[p_run.key], ARRAY[p_run.khash]);
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_run.flow AND r.seq = p_run.seq AND r.gen = p_run.gen FOR UPDATE;
  RETURN v_run;
END $$;

-- What failed is tried again with full budgets: a step, or its undo.
CREATE FUNCTION retry_steps(p_flow smallint, p_seq bigint, p_gen smallint) RETURNS void LANGUAGE sql AS $$
  UPDATE steps s
  SET state = CASE s.state WHEN 4 THEN 2 WHEN 6 THEN 5 ELSE s.state END, next_at = NULL, tries = 0, throttles = 0, conflicts = 0
  WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.state IN (2, 4, 5, 6);
$$;

CREATE FUNCTION audit_run(p_run runs, p_verb text, p_actor text, p_reason text, p_before jsonb, p_after jsonb, p_step text DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit (actor, verb, object, reason, before, after)
  SELECT p_actor, p_verb,
         CASE WHEN p_step IS NULL THEN 'run ' ELSE 'step ' || p_step || ' of run ' END
           || f.name || '/' || p_run.seq || CASE p_run.gen WHEN 0 THEN '' ELSE '/' || p_run.gen END,
         p_reason, p_before, p_after
  FROM flows f WHERE f.id = p_run.flow;
$$;

-- What a person may do to one step of an open run that its owner does not hold. Answers 'done', 'absent' (no such run),
-- 'ended', or why not: 'running', 'compensating', 'not-waiting' (approve, refuse), 'done-already', 'in-doubt' (an edit
-- while nobody knows whether the request before it has had its effect).
--   result: p_data is what it gave, as if it had been called.   skip: it is not needed.   edit: p_data in the place of the
--   event's data, for this step alone, under a new idempotency key.   approve, refuse: what a person decided.
CREATE FUNCTION act_on_step(
  p_flow smallint, p_seq bigint, p_gen smallint, p_step text, p_verb text, p_data text, p_actor text, p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
  v_step steps;
BEGIN
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  IF v_run.state >= 10 THEN RETURN 'ended'; END IF;
  v_run := lock_run(v_run);
  IF v_run.state >= 10 THEN RETURN 'ended'; END IF;
  SELECT * INTO v_step FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.step = p_step FOR UPDATE;
  IF v_run.state = 3 THEN RETURN 'running'; END IF;
  IF v_run.compensating THEN RETURN 'compensating'; END IF;
  IF p_verb IN ('approve', 'refuse') THEN
    IF v_step.state IS DISTINCT FROM 1 THEN RETURN 'not-waiting'; END IF;
  ELSIF v_step.state >= 10 THEN RETURN 'done-already';
  END IF;
  IF p_verb = 'edit' AND v_step.maybe_at IS NOT NULL THEN RETURN 'in-doubt'; END IF;
  INSERT INTO steps AS s (flow, seq, gen, step, state, result, input, key_no, ended_at, code, message, reason)
  VALUES (p_flow, p_seq, p_gen, p_step,
          CASE p_verb WHEN 'result' THEN 10 WHEN 'approve' THEN 10 WHEN 'skip' THEN 11 WHEN 'refuse' THEN 4 ELSE 2 END,
          CASE p_verb WHEN 'result' THEN p_data WHEN 'approve' THEN p_data END,
          CASE p_verb WHEN 'edit' THEN p_data END, CASE p_verb WHEN 'edit' THEN 1 ELSE 0 END,
          CASE WHEN p_verb IN ('result', 'approve', 'skip') THEN clock_timestamp() END,
          CASE p_verb WHEN 'refuse' THEN 'step.refused' END, CASE p_verb WHEN 'refuse' THEN 'refused by ' || p_actor END, p_reason)
  ON CONFLICT (flow, seq, gen, step) DO UPDATE SET
    state = excluded.state, result = excluded.result, input = coalesce(excluded.input, s.input), key_no = s.key_no + excluded.key_no,
    ended_at = excluded.ended_at, next_at = NULL, maybe_at = NULL, code = excluded.code, message = excluded.message,
    reason = excluded.reason, tries = 0, throttles = 0, conflicts = 0;
  UPDATE runs SET state = 2, holds = true, next_at = clock_timestamp(), awaits = NULL, reason = NULL, crashes = 0
  WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
  PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]);
  PERFORM audit_run(v_run, p_verb, p_actor, p_reason,
    jsonb_build_object('state', v_step.state, 'result', v_step.result, 'input', v_step.input, 'code', v_step.code),
    jsonb_build_object('data', p_data), p_step);
  RETURN 'done';
END $$;
