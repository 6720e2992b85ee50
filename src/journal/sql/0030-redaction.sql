-- What must not be shown stays where it is needed to send it: in the log, and in the inputs and results of steps. It does not
-- enter the audit trail.
DROP FUNCTION act_on_step(smallint, bigint, smallint, text, text, text, text, text);
DROP FUNCTION act_on_rejected(bigint, text, text, text, text);

-- As in 0020, and the audit trail keeps data without what must not be shown: p_shown brings it, of the data of the act and of
-- the step's input and result as they were seen just before; what has changed since is not told.
-- What a person may do to one step of an open run that its owner does not hold. Answers 'done', 'absent' (no such run),
-- 'ended', or why not: 'running', 'compensating' (edit, approve, refuse), 'not-waiting' (approve, refuse), 'done-already',
-- 'result-known', 'in-doubt' (an edit while nobody knows whether the request before it has had its effect).
--   result: p_data is what it gave, as if it had been called.   skip: it is not needed.   edit: p_data in the place of the
--   event's data, for this step alone, under a new idempotency key.   approve, refuse: what a person decided.
-- While the run is being undone, result: its effect is there, this is what it gave, so undo it.   skip: whatever is there
-- of it stays, go on with the next.
CREATE FUNCTION act_on_step(
  p_flow smallint, p_seq bigint, p_gen smallint, p_step text, p_verb text, p_data text, p_actor text, p_reason text, p_shown jsonb DEFAULT NULL
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
    jsonb_build_object('state', v_step.state, 'code', v_step.code, 'inDoubt', v_doubt,
      'result', CASE WHEN v_step.result IS NOT DISTINCT FROM p_shown #>> '{seen,result}' THEN p_shown ->> 'result' END,
      'input', CASE WHEN v_step.input IS NOT DISTINCT FROM p_shown #>> '{seen,input}' THEN p_shown ->> 'input' END),
    jsonb_build_object('state', v_state, 'data', p_shown ->> 'data'), p_step);
  RETURN 'done';
END $$;

-- What a person does with a rejected row: 'retry' puts it back at the end of the outbox, with other data where p_data is
-- given; 'discard' ends it. The audit trail keeps what would be lost otherwise, as far as it may be shown: p_shown brings it,
-- before and after.
CREATE FUNCTION act_on_rejected(p_id bigint, p_verb text, p_data text, p_actor text, p_reason text, p_shown jsonb DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_row outbox_rejected;
BEGIN
  DELETE FROM outbox_rejected r WHERE r.id = p_id RETURNING * INTO v_row;
  IF NOT FOUND THEN RETURN false; END IF;
  IF p_verb = 'retry' THEN
    PERFORM pg_current_xact_id();
    INSERT INTO outbox (source, event_id, type, key, data, ext)
    VALUES (v_row.source, v_row.event_id, v_row.type, v_row.key, coalesce(p_data, v_row.data), v_row.ext);
  END IF;
  UPDATE problems p SET state = 'resolved'
  WHERE p.fp = v_row.fp AND p.state <> 'resolved' AND NOT EXISTS (SELECT FROM outbox_rejected r WHERE r.fp = v_row.fp);
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, p_verb, 'outbox row ' || p_id, p_reason,
          jsonb_build_object('source', v_row.source, 'id', v_row.event_id, 'type', v_row.type, 'key', v_row.key,
                             'code', v_row.code, 'message', v_row.message)
            || CASE WHEN p_verb = 'discard' OR p_data IS NOT NULL THEN jsonb_build_object('data', p_shown ->> 'before') ELSE '{}' END,
          CASE WHEN p_data IS NOT NULL THEN jsonb_build_object('data', p_shown ->> 'after') END);
  RETURN true;
END $$;

-- As in 0014. Puts back many rejected rows, oldest first, by what is known of them; answers how many.
CREATE OR REPLACE FUNCTION retry_rejected(p_type text, p_code text, p_upto bigint, p_limit integer, p_actor text, p_reason text)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
  v_done integer := 0;
BEGIN
  -- In the order in which reject_outbox() locks them.
  PERFORM FROM problems p
  WHERE p.fp IN (SELECT r.fp FROM outbox_rejected r WHERE (p_type IS NULL OR r.type = p_type) AND (p_code IS NULL OR r.code = p_code))
  ORDER BY p.fp FOR UPDATE;
  FOR v_id IN
    SELECT r.id FROM outbox_rejected r
    WHERE r.id <= p_upto AND (p_type IS NULL OR r.type = p_type) AND (p_code IS NULL OR r.code = p_code) ORDER BY r.id LIMIT p_limit
  LOOP
    IF act_on_rejected(v_id, 'retry', NULL, p_actor, p_reason, NULL) THEN v_done := v_done + 1; END IF;
  END LOOP;
  RETURN v_done;
END $$;
