-- Order by the numbers that events carry ('sequence'), and by what is newest ('latest').

-- How far each key has come: the number last dealt with, and the event that had it (0: a gap that was passed over). It
-- says by itself what is next and what comes too late, however long ago the runs before it have ended.
CREATE TABLE sequences (
  grp   text COLLATE "C",
  key   text COLLATE "C",
  last  bigint NOT NULL,
  seq   bigint NOT NULL,
  ahead bigint[],                            -- numbers that a person has skipped before their turn
  PRIMARY KEY (grp, key)
) WITH (fillfactor = 70);

-- When its owner took it last.
ALTER TABLE runs ADD COLUMN claimed_at timestamptz;

-- Runs that wait for numbers before theirs, or were parked for want of them: few, mostly none.
CREATE INDEX runs_at_gap ON runs (grp, key) WHERE state < 10 AND (awaits = 'gap' OR code = 'sequence.gap');

-- Sequences go over what was skipped ahead of its turn.
CREATE FUNCTION pass_skipped(p_grp text, p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_row sequences;
BEGIN
  FOR v_row IN SELECT * FROM sequences s WHERE s.grp = p_grp AND s.key = ANY (p_keys) AND s.ahead IS NOT NULL LOOP
    WHILE v_row.last + 1 = ANY (v_row.ahead) LOOP
      v_row.last := v_row.last + 1;
      v_row.seq := 0;
    END LOOP;
    UPDATE sequences s
    SET last = v_row.last, seq = v_row.seq,
        ahead = nullif(ARRAY(SELECT a FROM unnest(v_row.ahead) a WHERE a > v_row.last ORDER BY a), '{}')
    WHERE s.grp = p_grp AND s.key = v_row.key;
  END LOOP;
END $$;

-- Moves the sequence of a key on, never back.
CREATE FUNCTION move_sequence(p_grp text, p_key text, p_last bigint, p_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO sequences AS s (grp, key, last, seq) VALUES (p_grp, p_key, p_last, p_seq)
  ON CONFLICT (grp, key) DO UPDATE SET last = excluded.last, seq = excluded.seq WHERE s.last < excluded.last;
  PERFORM pass_skipped(p_grp, ARRAY[p_key]);
END $$;

-- In lanes that are locked: a gap that a person has accepted (a retry of the run that waits at it) is passed over, and
-- runs at whose place the sequence has arrived are due, whatever moved it.
CREATE FUNCTION release_gaps(p_grp text, p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_accepted record;
BEGIN
  IF NOT EXISTS (
    SELECT FROM runs r WHERE r.grp = p_grp AND r.key = ANY (p_keys) AND r.state < 10 AND (r.awaits = 'gap' OR r.code = 'sequence.gap')
  ) THEN RETURN; END IF;                                   -- runs_at_gap
  FOR v_accepted IN
    SELECT r.key, max(r.lord) AS lord FROM runs r
    WHERE r.grp = p_grp AND r.key = ANY (p_keys) AND r.state < 10 AND (r.awaits = 'gap' OR r.code = 'sequence.gap')
      AND r.state = 2 AND r.awaits IS NULL AND r.code = 'sequence.gap'
    GROUP BY r.key ORDER BY r.key
  LOOP
    PERFORM move_sequence(p_grp, v_accepted.key, v_accepted.lord - 1, 0);
  END LOOP;
  UPDATE runs r SET next_at = clock_timestamp()
  FROM sequences s
  WHERE r.grp = p_grp AND r.key = ANY (p_keys) AND r.state < 10 AND (r.awaits = 'gap' OR r.code = 'sequence.gap')
    AND r.awaits = 'gap' AND r.state <> 3 AND coalesce(r.next_at, 'infinity') > clock_timestamp()
    AND s.grp = r.grp AND s.key = r.key AND r.lord <= s.last + 1;
END $$;

-- As in 0009, and now runs at whose place a sequence has arrived are due first.
-- After the runs of locked lanes have changed: lanes with nothing open end, the others follow their head, unless one of
-- their runs is running: it need not be the head, which an act or a replay may have put before it. A lane that is due
-- already stays where it stands, else one that never stops growing would never be the longest due. Two statements after
-- the lock, because a statement that waited for a lock still sees its old snapshot elsewhere.
CREATE OR REPLACE FUNCTION settle_lanes(p_grp text, p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM release_gaps(p_grp, p_keys);
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

-- How far the sequences of keys have come. What waits for that in rows is due, also where this flush has no row of the lane.
CREATE OR REPLACE FUNCTION write_sequences(p_grp text, p_sequences json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
BEGIN
  INSERT INTO sequences AS s (grp, key, last, seq)
  SELECT p_grp, n.key, n.last, n.seq
  FROM json_to_recordset(p_sequences) AS n (key text, last bigint, seq bigint) ORDER BY n.key COLLATE "C"
  ON CONFLICT (grp, key) DO UPDATE SET last = excluded.last, seq = excluded.seq WHERE s.last < excluded.last;
  PERFORM pass_skipped(p_grp, ARRAY(SELECT n.key FROM json_to_recordset(p_sequences) AS n (key text)));
  SELECT array_agg(l.key) INTO v_keys FROM (
    SELECT l.key FROM lanes l, json_to_recordset(p_sequences) AS n (key text)
    WHERE l.grp = p_grp AND l.key = n.key AND l.awaits = 'gap' ORDER BY l.key FOR UPDATE OF l
  ) l;
  IF v_keys IS NOT NULL THEN PERFORM settle_lanes(p_grp, v_keys); END IF;
END $$;

-- Of the open runs of one flow and key only the newest is wanted. Older ones whose outcome is known end as superseded, and
-- so do those in doubt once what was sent has surely landed (p_settle_ms later): before, it could land on top of the newer.
-- A parked one in doubt is due at that moment, to be looked at again. Runs that have begun steps are left to end.
CREATE FUNCTION supersede_older(p_grp text, p_key text, p_flow smallint, p_settle_ms double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_newest bigint;
  v_settle interval := p_settle_ms * interval '1 ms';
  v_settled timestamptz := clock_timestamp() - v_settle;
BEGIN
  SELECT max(r.seq) INTO v_newest FROM runs r              -- runs_open_by_lane
  WHERE r.grp = p_grp AND r.key = p_key AND r.state IN (1, 2) AND r.flow = p_flow AND r.gen = 0;
  IF v_newest IS NULL THEN RETURN; END IF;
  UPDATE runs r
  SET state = 12, ended_at = clock_timestamp(), next_at = NULL, awaits = NULL,
      reason = 'a newer snapshot, seq ' || v_newest || ', took its place'
  WHERE r.grp = p_grp AND r.key = p_key AND r.state IN (1, 2, 4) AND r.flow = p_flow AND r.gen = 0 AND r.seq < v_newest
    AND coalesce(r.maybe_at, '-infinity') <= v_settled AND NOT r.compensating
    AND NOT EXISTS (SELECT FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen);
  UPDATE runs r
  SET awaits = 'settle', next_at = r.maybe_at + v_settle,
      reason = 'a newer snapshot, seq ' || v_newest || ', takes its place once nothing can be under way any more'
  WHERE r.grp = p_grp AND r.key = p_key AND r.state = 4 AND r.flow = p_flow AND r.gen = 0 AND r.seq < v_newest
    AND r.maybe_at > v_settled AND r.awaits IS NULL AND NOT r.compensating;
END $$;

-- Runs with rows, in lanes that are locked. As in 0010, and now a run's place in its lane may become known later, and where only the
-- newest of a key counts (those rows say how soon what was sent has landed), older ones end.
CREATE OR REPLACE FUNCTION write_runs(p_grp text, p_runs json) RETURNS void LANGUAGE plpgsql AS $$
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
    compensating = excluded.compensating, awaits = excluded.awaits, lord = excluded.lord
  WHERE t.state = 3;
  IF position('"settleMs"' IN p_runs::text) = 0 THEN RETURN; END IF;   -- most flows: spares them reading all rows again
  PERFORM supersede_older(p_grp, n.key, n.flow, n.settle)
  FROM (SELECT r.key, r.flow, max(r."settleMs") AS settle
        FROM json_to_recordset(p_runs) AS r (key text, flow smallint, "settleMs" double precision)
        WHERE r."settleMs" IS NOT NULL GROUP BY r.key, r.flow) n;
END $$;

DROP FUNCTION claim;
-- Takes the open runs at the head of these lanes: they become running. None behind a parked or running one, none that
-- is not due, at most p_max_runs and p_max_bytes a lane (but at least one). p_again: the outcome of the same claim is
-- unknown, so what is running in these lanes is answered too. A run that waited for numbers before its own says so still,
-- and each comes with how far its key has come.
CREATE FUNCTION claim(
  p_grp text, p_part integer, p_epoch bigint, p_keys text[], p_max_runs integer, p_max_bytes bigint, p_again boolean
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

-- As in 0004, and now the life of an idempotency key runs from the claim at the latest: the attempt came after it, and the row
-- says nothing of that.
-- Runs that were running when their owner ended: due again, their effect in doubt. Only a run that was inside the
-- user's code counts a crash: one that merely waited for an answer may have been killed along with its worker.
CREATE OR REPLACE FUNCTION free_running(p_grp text, p_part integer, p_parts integer, p_sent_by timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
  v_khash integer[];
BEGIN
  SELECT array_agg(k.key), array_agg(k.khash) INTO v_keys, v_khash FROM (
    SELECT r.key, min(r.khash) AS khash FROM runs r       -- runs_running_by_lane
    WHERE r.state = 3 AND r.grp = p_grp AND r.khash % p_parts = p_part GROUP BY r.key
  ) k;
  IF v_keys IS NULL THEN RETURN; END IF;
  PERFORM lock_lanes(p_grp, v_keys, v_khash);
  UPDATE runs r
  SET state = 2, next_at = clock_timestamp(), maybe_at = p_sent_by, first_at = coalesce(r.first_at, r.claimed_at), crashes = r.crashes + r.phase, phase = 0,
      reason = 'its worker ended; the outcome of its last attempt is not known'
  WHERE r.state = 3 AND r.grp = p_grp AND r.key = ANY (v_keys);
  PERFORM settle_lanes(p_grp, v_keys);
END $$;

-- What an act means for the sequence of the run's key; p_run is as it was before, its lane locked. Skipped: its number is
-- dealt with: at once where it is its turn, or where it waits at a gap, else when its turn comes; those before it still run.
-- Retried while it waits at a gap: the gap is accepted.
CREATE FUNCTION act_on_sequence(p_run runs, p_verb text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_run.gen <> 0 OR p_run.compensating OR p_run.code IS NOT DISTINCT FROM 'sequence.missing' OR p_run.key LIKE '#%'
    OR NOT EXISTS (SELECT FROM flows f WHERE f.id = p_run.flow AND f.declaration ->> 'ordering' = 'sequence')
  THEN RETURN; END IF;
  IF p_verb = 'retry' AND p_run.awaits = 'gap' THEN
    PERFORM move_sequence(p_run.grp, p_run.key, p_run.lord - 1, 0);
  ELSIF p_verb = 'skip' THEN
    IF p_run.awaits = 'gap' OR NOT EXISTS (
      SELECT FROM sequences s WHERE s.grp = p_run.grp AND s.key = p_run.key AND s.last < p_run.lord - 1
      UNION ALL
      SELECT FROM runs r                                   -- runs_open_by_lane
      WHERE r.grp = p_run.grp AND r.key = p_run.key AND r.state < 10 AND r.holds AND r.lord < p_run.lord
    ) THEN
      PERFORM move_sequence(p_run.grp, p_run.key, p_run.lord, p_run.seq);
    ELSE
      INSERT INTO sequences AS s (grp, key, last, seq, ahead) VALUES (p_run.grp, p_run.key, -1, 0, ARRAY[p_run.lord])
      ON CONFLICT (grp, key) DO UPDATE SET ahead = array_append(s.ahead, p_run.lord) WHERE s.last < p_run.lord;
    END IF;
  END IF;
END $$;

-- As in 0009, and now a run that waits for numbers before its own can be told to go on without them, and one that is skipped
-- counts as dealt with.
-- What a person may do to a run, and to its steps: a retry goes on where it failed, forward or
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
  IF p_verb = 'retry' AND (v_run.state IN (2, 4) OR v_run.state = 1 AND v_run.awaits = 'gap') THEN
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
  IF result = 'done' THEN PERFORM act_on_sequence(v_run, p_verb); END IF;
  PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]);
  IF result = 'done' THEN
    PERFORM audit_run(v_run, p_verb, p_actor, p_reason,
      jsonb_build_object('state', state_before, 'tries', v_run.tries, 'code', v_run.code), jsonb_build_object('state', state_after));
  END IF;
END $$;

-- As in 0009; what a person has compensated comes before what a sequence waits for.
-- Locks the lane first, like the owner, then the run. A plain success has no lane in its row: the event and the flow know it.
CREATE OR REPLACE FUNCTION lock_run(p_run runs) RETURNS runs LANGUAGE plpgsql AS $$
DECLARE v_run runs;
BEGIN
  IF p_run.grp IS NULL THEN
    UPDATE runs r SET grp = f.grp, ord = f.ord, khash = e.khash, lord = CASE f.declaration ->> 'ordering' WHEN 'sequence' THEN 0 ELSE r.seq END,
      key = CASE WHEN f.declaration ->> 'ordering' <> 'none' AND e.key IS NOT NULL THEN e.key ELSE '#' || r.flow || ':' || r.seq END
    FROM flows f, events e WHERE r.flow = p_run.flow AND r.seq = p_run.seq AND r.gen = p_run.gen AND f.id = r.flow AND e.seq = r.seq
    RETURNING r.* INTO p_run;
  END IF;
  PERFORM lock_lanes(p_run.grp, ARRAY[p_run.key], ARRAY[p_run.khash]);
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_run.flow AND r.seq = p_run.seq AND r.gen = p_run.gen FOR UPDATE;
  RETURN v_run;
END $$;
