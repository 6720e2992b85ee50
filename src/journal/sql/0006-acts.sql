-- What a person may do to a run. It locks the lane first, like the owner, and only touches runs that the owner does not hold.
CREATE FUNCTION act_on_run(
  p_flow smallint, p_seq bigint, p_gen smallint, p_verb text, p_actor text, p_reason text,
  OUT result text, OUT state_before smallint, OUT state_after smallint
) LANGUAGE plpgsql AS $$
DECLARE
  v_run runs;
  v_grp text;
  v_key text;
  v_name text;
BEGIN
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen;
  IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
  state_before := v_run.state;
  IF v_run.state >= 10 THEN result := 'ended'; RETURN; END IF;
  v_grp := v_run.grp;
  v_key := v_run.key;
  PERFORM lock_lanes(v_grp, ARRAY[v_key], ARRAY[v_run.khash]);
  SELECT * INTO v_run FROM runs r WHERE r.flow = p_flow AND r.seq = p_seq AND r.gen = p_gen FOR UPDATE;
  state_before := v_run.state;
  IF p_verb = 'retry' AND v_run.state IN (2, 4) THEN
    UPDATE runs SET state = 2, holds = true, next_at = clock_timestamp(), reason = NULL,
      tries = CASE WHEN v_run.state = 4 THEN 0 ELSE tries END, throttles = 0, conflicts = 0, crashes = 0
    WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
    result := 'done'; state_after := 2;
  ELSIF p_verb = 'skip' AND v_run.state IN (1, 2, 4) THEN
    UPDATE runs SET state = 11, ended_at = clock_timestamp(), reason = p_reason, next_at = NULL
    WHERE flow = p_flow AND seq = p_seq AND gen = p_gen;
    result := 'done'; state_after := 11;
  ELSE
    result := CASE WHEN v_run.state < 10 THEN 'refused' ELSE 'ended' END;   -- it may have ended while this waited
    state_after := v_run.state;
  END IF;
  PERFORM settle_lanes(v_grp, ARRAY[v_key]);
  IF result = 'done' THEN
    SELECT name INTO v_name FROM flows WHERE id = p_flow;
    INSERT INTO audit (actor, verb, object, reason, before, after)
    VALUES (p_actor, p_verb, 'run ' || v_name || '/' || p_seq || CASE p_gen WHEN 0 THEN '' ELSE '/' || p_gen END, p_reason,
            jsonb_build_object('state', state_before, 'tries', v_run.tries, 'code', v_run.code),
            jsonb_build_object('state', state_after));
  END IF;
END $$;

-- Pause or resume a system (kind 'system') or a lane group (kind 'group'). Answers whether there is such a thing.
CREATE FUNCTION set_paused(p_kind text, p_name text, p_paused boolean, p_actor text, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_before boolean;
BEGIN
  IF p_kind = 'system' THEN
    SELECT paused INTO v_before FROM systems WHERE name = p_name FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE systems SET paused = p_paused, version = version + 1, changed_at = clock_timestamp() WHERE name = p_name;
  ELSE
    SELECT bool_or(paused) INTO v_before FROM lane_groups WHERE grp = p_name;
    IF v_before IS NULL THEN RETURN false; END IF;
    UPDATE lane_groups SET paused = p_paused WHERE grp = p_name;
  END IF;
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, CASE WHEN p_paused THEN 'pause' ELSE 'resume' END, p_kind || ' ' || p_name, p_reason,
          jsonb_build_object('paused', v_before), jsonb_build_object('paused', p_paused));
  RETURN true;
END $$;
