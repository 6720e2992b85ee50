-- What the control API does beside acting on a single run. Every act writes its audit row in its own transaction.

-- Acts on several runs in one transaction, lane by lane in the order in which every writer locks lanes. p_may_double:
-- a person has decided that a retry need not look first, nor mind that the system has forgotten the idempotency key.
CREATE FUNCTION act_on_runs(
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
    IF v_done.result = 'done' AND p_may_double AND v_run.maybe_at IS NOT NULL THEN
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

-- Pauses or resumes a system or a lane group. What is so already stays as it is: since when it is paused must not move.
CREATE FUNCTION change_pause(p_kind text, p_name text, p_paused boolean, p_actor text, p_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_same boolean;
BEGIN
  IF p_kind = 'system' THEN
    SELECT s.paused = p_paused INTO v_same FROM systems s WHERE s.name = p_name FOR UPDATE;
  ELSE
    SELECT bool_and(g.paused = p_paused) INTO v_same
    FROM (SELECT * FROM lane_groups g WHERE g.grp = p_name ORDER BY g.part FOR UPDATE) g;
  END IF;
  IF v_same IS NULL THEN RETURN 'absent'; END IF;
  IF v_same THEN RETURN 'same'; END IF;
  PERFORM set_paused(p_kind, p_name, p_paused, p_actor, p_reason);
  RETURN 'done';
END $$;

-- Names are never given a second time, so that the audit trail stays clear.
CREATE FUNCTION create_api_key(p_id text, p_name text, p_hash text, p_scopes text[], p_max integer, p_actor text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(('api_keys'::regclass::oid::bigint << 16) | 4);
  IF (SELECT count(*) FROM api_keys k WHERE k.revoked_at IS NULL) >= p_max THEN RETURN 'full'; END IF;
  INSERT INTO api_keys (id, name, hash, scopes) VALUES (p_id, p_name, p_hash, p_scopes) ON CONFLICT (name) DO NOTHING;
  IF NOT FOUND THEN RETURN 'taken'; END IF;
  INSERT INTO audit (actor, verb, object, after)
  VALUES (p_actor, 'create', 'key ' || p_name, jsonb_build_object('scopes', p_scopes));
  RETURN 'done';
END $$;

CREATE FUNCTION revoke_api_key(p_name text, p_actor text, p_reason text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_key api_keys;
BEGIN
  SELECT * INTO v_key FROM api_keys k WHERE k.name = p_name FOR UPDATE;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  IF v_key.revoked_at IS NOT NULL THEN RETURN 'same'; END IF;
  UPDATE api_keys k SET revoked_at = clock_timestamp() WHERE k.id = v_key.id;
  INSERT INTO audit (actor, verb, object, reason, before)
  VALUES (p_actor, 'revoke', 'key ' || p_name, p_reason, jsonb_build_object('scopes', v_key.scopes));
  RETURN 'done';
END $$;
