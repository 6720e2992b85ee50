-- Acts of a person on steps, as in 0009-steps.sql, and now also on runs of one plain call, whose attempts go on being
-- counted; a refused act leaves no lane behind that its lock has made; a retry that may double forgets the doubts of the steps too.

-- What a person may do to one step of an open run that its owner does not hold. Answers 'done', 'absent' (no such run),
-- 'ended', or why not: 'running', 'compensating', 'not-waiting' (approve, refuse), 'done-already', 'in-doubt' (an edit
-- while nobody knows whether the request before it has had its effect).
--   result: p_data is what it gave, as if it had been called.   skip: it is not needed.   edit: p_data in the place of the
--   event's data, for this step alone, under a new idempotency key.   approve, refuse: what a person decided.
CREATE OR REPLACE FUNCTION act_on_step(
  p_flow smallint, p_seq bigint, p_gen smallint, p_step text, p_verb text, p_data text, p_actor text, p_reason text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
  v_step steps;
  v_alone boolean;
BEGIN
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  IF v_run.state >= 10 THEN RETURN 'ended'; END IF;
  v_run := lock_run(v_run);
  IF v_run.state >= 10 THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN 'ended'; END IF;
  SELECT * INTO v_step FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen AND s.step = p_step FOR UPDATE;
  IF v_run.state = 3 THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN 'running'; END IF;
  IF v_run.compensating THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN 'compensating'; END IF;
  IF p_verb IN ('approve', 'refuse') THEN
    IF v_step.state IS DISTINCT FROM 1 THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN 'not-waiting'; END IF;
  ELSIF v_step.state >= 10 THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN 'done-already';
  END IF;
  -- A run of one plain call says of itself what the steps of others say apart.
  v_alone := v_step.step IS NULL AND NOT EXISTS (SELECT FROM steps s WHERE s.flow = p_flow AND s.seq = p_seq AND s.gen = p_gen);
  IF p_verb = 'edit' AND (v_step.maybe_at IS NOT NULL OR v_alone AND v_run.maybe_at IS NOT NULL) THEN PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]); RETURN 'in-doubt'; END IF;
  INSERT INTO steps AS s (flow, seq, gen, step, state, attempts, result, input, key_no, ended_at, code, message, reason)
  VALUES (p_flow, p_seq, p_gen, p_step,
          CASE p_verb WHEN 'result' THEN 10 WHEN 'approve' THEN 10 WHEN 'skip' THEN 11 WHEN 'refuse' THEN 4 ELSE 2 END,
          CASE WHEN v_alone THEN v_run.attempts ELSE 0 END,
          CASE p_verb WHEN 'result' THEN p_data WHEN 'approve' THEN p_data END,
          CASE p_verb WHEN 'edit' THEN p_data END, CASE p_verb WHEN 'edit' THEN 1 ELSE 0 END,
          CASE WHEN p_verb IN ('result', 'approve', 'skip') THEN clock_timestamp() END,
          CASE p_verb WHEN 'refuse' THEN 'step.refused' END, CASE p_verb WHEN 'refuse' THEN 'refused by ' || p_actor END, p_reason)
  ON CONFLICT (flow, seq, gen, step) DO UPDATE SET
    state = excluded.state, result = excluded.result, input = coalesce(excluded.input, s.input), key_no = s.key_no + excluded.key_no,
    ended_at = excluded.ended_at, next_at = NULL, maybe_at = NULL, code = excluded.code, message = excluded.message,
    reason = excluded.reason, tries = 0, throttles = 0, conflicts = 0;
  -- Which system it needs next is for its owner to find out: it must not wait for the one that is not called any more.
  UPDATE runs SET state = 2, system = 0, holds = true, next_at = clock_timestamp(), awaits = NULL, reason = NULL, crashes = 0
  WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
  PERFORM settle_lanes(v_run.grp, ARRAY[v_run.key]);
  PERFORM audit_run(v_run, p_verb, p_actor, p_reason,
    jsonb_build_object('state', v_step.state, 'result', v_step.result, 'input', v_step.input, 'code', v_step.code),
    jsonb_build_object('data', p_data), p_step);
  RETURN 'done';
END $$;

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
    SELECT a.flow, a.seq, a.gen, r.maybe_at
    FROM unnest(p_flow, p_seq, p_gen) AS a (flow, seq, gen)
    LEFT JOIN runs r ON r.flow = a.flow AND r.seq = a.seq AND r.gen = a.gen
    ORDER BY r.grp, r.key, r.lord, a.seq, r.ord
  LOOP
    SELECT * INTO v_done FROM act_on_run(v_run.flow, v_run.seq, v_run.gen, p_verb, p_actor, p_reason);
    IF v_done.result = 'done' AND p_may_double AND (v_run.maybe_at IS NOT NULL OR EXISTS (
      SELECT FROM steps s WHERE s.flow = v_run.flow AND s.seq = v_run.seq AND s.gen = v_run.gen AND s.maybe_at IS NOT NULL)) THEN
      UPDATE steps s SET maybe_at = NULL WHERE s.flow = v_run.flow AND s.seq = v_run.seq AND s.gen = v_run.gen;
      UPDATE runs r SET maybe_at = NULL WHERE r.flow = v_run.flow AND r.seq = v_run.seq AND r.gen = v_run.gen;
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
