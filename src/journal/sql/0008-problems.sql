-- What a person says about a problem: its state, who looks after it, a note. p_change holds only what is to change.
CREATE FUNCTION change_problem(p_fp text, p_change jsonb, p_actor text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_old problems;
  v_new problems;
BEGIN
  SELECT * INTO v_old FROM problems p WHERE p.fp = p_fp FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  v_new := jsonb_populate_record(v_old, p_change);
  IF (v_new.state, v_new.owner, v_new.note) IS NOT DISTINCT FROM (v_old.state, v_old.owner, v_old.note) THEN RETURN true; END IF;
  UPDATE problems p SET state = v_new.state, owner = v_new.owner, note = v_new.note WHERE p.fp = p_fp;
  INSERT INTO audit (actor, verb, object, before, after)
  VALUES (p_actor,
          CASE WHEN v_new.state = v_old.state THEN 'note' WHEN v_new.state = 'open' THEN 'reopen'
               WHEN v_new.state = 'ignored' THEN 'ignore' ELSE 'acknowledge' END,
          'problem ' || p_fp,
          jsonb_build_object('state', v_old.state, 'owner', v_old.owner, 'note', v_old.note),
          jsonb_build_object('state', v_new.state, 'owner', v_new.owner, 'note', v_new.note));
  RETURN true;
END $$;
