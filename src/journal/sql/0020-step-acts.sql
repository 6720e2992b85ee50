-- Acts of a person on steps of runs that are being undone, and on approvals that have failed; what an act must not forget
-- where it is not known what an owner that died had sent.

-- As in 0012, but nothing is written before the act is known to fit.
-- Locks the lane first, like the owner, then the run. A plain success has no lane in its row: the event and the flow know
-- it; the answer says it, and the act that opens it again writes it.
CREATE OR REPLACE FUNCTION lock_run(p_run runs) RETURNS runs LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
BEGIN
  IF p_run.grp IS NULL THEN
    SELECT f.grp, f.ord, e.khash, CASE f.declaration ->> 'ordering' WHEN 'sequence' THEN 0 ELSE e.seq END,
           CASE WHEN f.declaration ->> 'ordering' <> 'none' AND e.key IS NOT NULL THEN e.key ELSE '#' || f.id || ':' || e.seq END
    INTO p_run.grp, p_run.ord, p_run.khash, p_run.lord, p_run.key
    FROM flows f, events e WHERE f.id = p_run.flow AND e.seq = p_run.seq;
  END IF;
  PERFORM lock_lanes(p_run.grp, ARRAY[p_run.key], ARRAY[p_run.khash]);
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_run.flow AND r.seq = p_run.seq AND r.gen = p_run.gen FOR UPDATE;
  IF v_run.grp IS NULL THEN
    v_run.grp := p_run.grp;
    v_run.ord := p_run.ord;
    v_run.khash := p_run.khash;
    v_run.lord := p_run.lord;
    v_run.key := p_run.key;
  END IF;
  RETURN v_run;
END $$;

-- As in 0012, and a run that is turned round is given its lane only now.
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
      reason = p_reason, code = NULL, message = NULL, fp = NULL, tries = 0, throttles = 0, conflicts = 0, crashes = 0,
      grp = v_run.grp, ord = v_run.ord, khash = v_run.khash, lord = v_run.lord, key = v_run.key
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

-- Whether an owner that died may have been at this call, of which no row speaks: all that it follows has ended.
CREATE FUNCTION may_be_under_way(p_run runs, p_step text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_run.maybe_at IS NOT NULL AND EXISTS (
    SELECT FROM flows f CROSS JOIN LATERAL declared_steps(f.declaration) d
    WHERE f.id = p_run.flow AND d.step = p_step AND d.began ->> 'kind' = 'call' AND may_have_begun(p_run.flow, p_run.seq, p_run.gen, d.after));
$$;

-- Why an act on a step does not fit, in the words of act_on_step; null: it fits.
CREATE FUNCTION step_act_refusal(p_run runs, p_step steps, p_verb text, p_doubt boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN p_run.state >= 10 THEN 'ended'
    WHEN p_run.state = 3 THEN 'running'
    WHEN p_verb IN ('approve', 'refuse') THEN CASE
      WHEN p_run.compensating THEN 'compensating'
      WHEN p_step.state = 1 THEN NULL
      WHEN p_verb = 'approve' AND p_step.state = 4 AND p_step.code IN ('step.timed-out', 'step.refused') THEN NULL
      ELSE 'not-waiting' END
    WHEN p_run.compensating THEN CASE
      WHEN p_verb = 'edit' THEN 'compensating'
      WHEN p_step.state > 10 THEN 'done-already'
      WHEN p_verb = 'result' AND p_step.result IS NOT NULL THEN 'result-known' END
    WHEN p_step.state >= 10 THEN 'done-already'
    WHEN p_verb = 'edit' AND p_doubt THEN 'in-doubt' END;
$$;

-- As in 0017, and now also while a run is being undone, and on an approval that was refused or not given in time. A run that
-- waits for its turn goes on waiting.
-- What a person may do to one step of an open run that its owner does not hold. Answers 'done', 'absent' (no such run),
-- 'ended', or why not: 'running', 'compensating' (edit, approve, refuse), 'not-waiting' (approve, refuse), 'done-already',
-- 'result-known', 'in-doubt' (an edit while nobody knows whether the request before it has had its effect).
--   result: p_data is what it gave, as if it had been called.   skip: it is not needed.   edit: p_data in the place of the
--   event's data, for this step alone, under a new idempotency key.   approve, refuse: what a person decided.
-- While the run is being undone, result: its effect is there, this is what it gave, so undo it.   skip: whatever is there
-- of it stays, go on with the next.
CREATE OR REPLACE FUNCTION act_on_step(
  p_flow smallint, p_seq bigint, p_gen smallint, p_step text, p_verb text, p_data text, p_actor text, p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
  v_step steps;
  v_alone boolean;
  v_doubt boolean;
  v_state smallint;
  v_why text;
BEGIN
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  IF v_run.state >= 10 THEN RETURN 'ended'; END IF;
  v_run := lock_run(v_run);
  SELECT * INTO v_step FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.step = p_step FOR UPDATE;
  -- A run of one plain call says of itself what the steps of others say apart.
  v_alone := v_step.step IS NULL AND NOT EXISTS (SELECT FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen);
  v_doubt := v_step.maybe_at IS NOT NULL OR v_alone AND v_run.maybe_at IS NOT NULL
    OR (v_step.state IS NULL OR v_step.state IN (1, 2)) AND may_be_under_way(v_run, p_step);
  v_why := step_act_refusal(v_run, v_step, p_verb, v_doubt);
  IF v_why IS NOT NULL THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN v_why; END IF;
  v_state := CASE p_verb
    WHEN 'result' THEN CASE WHEN v_run.compensating AND v_step.state IN (5, 6) THEN 5 ELSE 10 END
    WHEN 'skip' THEN CASE WHEN v_run.compensating AND (v_step.state IN (5, 6, 10) OR v_doubt) THEN 13 ELSE 11 END
    WHEN 'approve' THEN 10 WHEN 'refuse' THEN 4 ELSE 2 END;
  INSERT INTO steps AS s (flow, seq, gen, step, state, attempts, result, input, key_no, ended_at, code, message, reason)
  VALUES (p_flow, p_seq, p_gen, p_step, v_state,
          CASE WHEN v_alone THEN v_run.attempts ELSE 0 END,
          CASE p_verb WHEN 'result' THEN p_data WHEN 'approve' THEN p_data END,
          CASE p_verb WHEN 'edit' THEN p_data END, CASE p_verb WHEN 'edit' THEN 1 ELSE 0 END,
          CASE WHEN v_state >= 10 THEN clock_timestamp() END,
          CASE p_verb WHEN 'refuse' THEN 'step.refused' END, CASE p_verb WHEN 'refuse' THEN 'refused by ' || p_actor END, p_reason)
  ON CONFLICT (flow, seq, gen, step) DO UPDATE SET
    state = excluded.state, result = CASE v_state WHEN 13 THEN s.result ELSE excluded.result END,
    input = coalesce(excluded.input, s.input), key_no = s.key_no + excluded.key_no,
    ended_at = excluded.ended_at, next_at = NULL, maybe_at = NULL, code = excluded.code, message = excluded.message,
    reason = excluded.reason, tries = 0, throttles = 0, conflicts = 0;
  -- Which system it needs next is for its owner to find out: it must not wait for the one that is not called any more. One
  -- that waits for its turn, or for numbers before its own, goes on waiting.
  IF v_run.awaits IS DISTINCT FROM 'gap' THEN
    UPDATE runs SET state = CASE v_run.state WHEN 1 THEN 1 ELSE 2 END, system = 0, holds = true, next_at = clock_timestamp(),
      awaits = NULL, reason = NULL, crashes = 0
    WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
  END IF;
  PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]);
  PERFORM audit_run(v_run, p_verb, p_actor, p_reason,
    jsonb_build_object('state', v_step.state, 'result', v_step.result, 'input', v_step.input, 'code', v_step.code, 'inDoubt', v_doubt),
    jsonb_build_object('state', v_state, 'data', p_data), p_step);
  RETURN 'done';
END $$;

-- A person has decided that the retry of this run need not look first: whether there was a doubt. While it is being undone
-- that is said of undos alone: a step of which nobody knows whether it took effect is still looked up before it is undone.
CREATE FUNCTION forget_doubt(p_flow smallint, p_seq bigint, p_gen smallint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
  v_forgot boolean;
BEGIN
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
  IF v_run.compensating THEN
    -- Once something goes back, nothing goes forward: what an owner that died may have been at is an undo.
    IF v_run.maybe_at IS NOT NULL AND EXISTS (
      SELECT FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.state IN (5, 6, 12, 13)) THEN
      UPDATE steps s SET maybe_at = greatest(s.maybe_at, v_run.maybe_at)
      WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.state = 5;
      UPDATE runs r SET maybe_at = NULL WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
    END IF;
    UPDATE steps s SET maybe_at = NULL
    WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.maybe_at IS NOT NULL AND s.state IN (5, 6) AND s.result IS NOT NULL;
    RETURN FOUND;
  END IF;
  UPDATE steps s SET maybe_at = NULL WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.maybe_at IS NOT NULL;
  v_forgot := FOUND OR v_run.maybe_at IS NOT NULL;
  UPDATE runs r SET maybe_at = NULL WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen AND r.maybe_at IS NOT NULL;
  RETURN v_forgot;
END $$;

-- As in 0017, and what must be looked up before it is undone stays in doubt.
-- Acts on several runs in one transaction, lane by lane in the order in which every writer locks lanes. p_may_double:
-- a person has decided that a retry need not look first, nor mind that the system has forgotten the idempotency key.
CREATE OR REPLACE FUNCTION act_on_runs(
  p_verb text, p_flow smallint[], p_seq bigint[], p_gen smallint[], p_may_double boolean, p_actor text, p_reason text
) RETURNS TABLE (flow smallint, seq bigint, gen smallint, result text, state_before smallint, state_after smallint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_run record;
  v_done record;
BEGIN
  FOR v_run IN
    SELECT a.flow, a.seq, a.gen
    FROM unnest(p_flow, p_seq, p_gen) AS a (flow, seq, gen)
    LEFT JOIN runs r ON r.flow = a.flow AND r.seq = a.seq AND r.gen = a.gen
    ORDER BY r.grp, r.key, r.lord, a.seq, r.ord
  LOOP
    SELECT * INTO v_done FROM act_on_run(v_run.flow, v_run.seq, v_run.gen, p_verb, p_actor, p_reason);
    IF v_done.result = 'done' AND p_may_double AND forget_doubt(v_run.flow, v_run.seq, v_run.gen) THEN
      UPDATE audit a SET after = a.after || '{"mayDouble": true}' WHERE a.id = currval(pg_get_serial_sequence('audit', 'id'));
    END IF;
    flow := v_run.flow;
    seq := v_run.seq;
    gen := v_run.gen;
    result := v_done.result;
    state_before := v_done.state_before;
    state_after := v_done.state_after;
    RETURN NEXT;
  END LOOP;
END $$;
