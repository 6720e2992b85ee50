-- Who is alive, who owns what, and what is left behind by the dead.

-- Registers a flow of a deployment. A changed declaration raises the version: owners with the old one cannot move its
-- position any more, and give the lane group up when they notice. A new type counts from the head at its registration; a new flow starts where it says.
CREATE FUNCTION register_flow(
  p_name text, p_grp text, p_ord integer, p_types text[], p_declaration jsonb, p_start text, p_at double precision
) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
  v_head bigint;
  v_from bigint;
  v_old flows;
  v_id smallint;
BEGIN
  PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
  SELECT * INTO v_old FROM flows f WHERE f.name = p_name FOR UPDATE;
  v_head := coalesce((SELECT max(seq) FROM events), 0);   -- after the lock: see the position update in flush
  IF NOT FOUND THEN
    v_from := CASE p_start WHEN 'beginning' THEN 0 WHEN 'at' THEN seq_at(to_timestamp(p_at / 1000)) - 1 ELSE v_head END;
    INSERT INTO flows (name, grp, ord, version, types, type_after, declaration, from_seq)
    VALUES (p_name, p_grp, p_ord, 1, p_types, array_fill(v_from, ARRAY[cardinality(p_types)]), p_declaration, v_from)
    RETURNING id INTO v_id;
    INSERT INTO lane_groups (grp, part, parts, claimed_to) VALUES (p_grp, 0, 1, 0) ON CONFLICT DO NOTHING;
    INSERT INTO positions (flow, part, position)
    SELECT v_id, g.part, v_from FROM lane_groups g WHERE g.grp = p_grp;
    RETURN v_id;
  END IF;
  IF v_old.declaration = p_declaration AND NOT v_old.removed THEN RETURN v_old.id; END IF;
  IF v_old.grp <> p_grp AND EXISTS (SELECT FROM runs r WHERE r.flow = v_old.id AND r.state < 10) THEN
    RAISE EXCEPTION 'flow % cannot move from lane group % to % while it has open runs', p_name, v_old.grp, p_grp USING ERRCODE = 'BB002';
  END IF;
  INSERT INTO lane_groups (grp, part, parts) VALUES (p_grp, 0, 1) ON CONFLICT DO NOTHING;
  UPDATE flows f
  SET grp = p_grp, ord = p_ord, version = f.version + 1, types = p_types, declaration = p_declaration, removed = false,
      type_after = ARRAY(SELECT coalesce(f.type_after[array_position(f.types, t.type)], v_head)
                         FROM unnest(p_types) WITH ORDINALITY AS t (type, place) ORDER BY t.place)
  WHERE f.id = v_old.id;
  INSERT INTO positions (flow, part, position)
  SELECT v_old.id, g.part, (SELECT min(position) FROM positions WHERE flow = v_old.id) FROM lane_groups g WHERE g.grp = p_grp
  ON CONFLICT DO NOTHING;
  RETURN v_old.id;
END $$;

CREATE FUNCTION register_system(p_name text, p_address text) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE v_id smallint;
BEGIN
  INSERT INTO systems (name, address) VALUES (p_name, p_address) ON CONFLICT (name) DO NOTHING;
  UPDATE systems SET address = p_address WHERE name = p_name AND address <> p_address;
  SELECT id INTO v_id FROM systems WHERE name = p_name;
  RETURN v_id;
END $$;

-- The worker's row is locked first: a worker that is being declared dead must not get a group behind the takeover's
-- back, for nobody would take it over again. A group that is the worker's own already gets a new epoch: the answer to an
-- earlier call was lost.
CREATE FUNCTION acquire_group(p_worker text, p_grp text, p_part integer) RETURNS SETOF lane_groups LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM workers w WHERE w.id = p_worker AND NOT w.dead FOR SHARE;
  IF NOT FOUND THEN RETURN; END IF;
  RETURN QUERY
  UPDATE lane_groups g SET owner = p_worker, epoch = g.epoch + 1
  WHERE g.grp = p_grp AND g.part = p_part AND (g.owner IS NULL OR g.owner = p_worker)
  RETURNING g.*;
END $$;

-- After a clean flush: nothing is in doubt, claimed_to only says how far rows may exist.
CREATE FUNCTION release_group(p_worker text, p_grp text, p_part integer, p_epoch bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE lane_groups SET owner = NULL, epoch = epoch + 1
  WHERE grp = p_grp AND part = p_part AND epoch = p_epoch AND owner = p_worker;
$$;

-- Ends a worker whose lease has run out. Its sessions first: one that was stopped inside a call would hold its locks for
-- as long as it is stopped. Then its groups get a new epoch and suspects, and its running runs are due again, in doubt.
CREATE FUNCTION takeover(p_worker text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_lease timestamptz;
  v_group record;
BEGIN
  UPDATE workers SET dead = true WHERE id = p_worker AND NOT dead AND lease_until < clock_timestamp()
  RETURNING lease_until INTO v_lease;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'busbar:' || p_worker AND datname = current_database() AND pid <> pg_backend_pid();
  FOR v_group IN SELECT grp, part, parts FROM lane_groups WHERE owner = p_worker ORDER BY grp, part LOOP
    UPDATE lane_groups g
    SET owner = NULL, epoch = g.epoch + 1, unclean = g.unclean + 1,
        suspect_since = CASE WHEN g.suspect_to > 0 THEN least(g.suspect_since, g.flushed_at - interval '2 s')
                             ELSE g.flushed_at - interval '2 s' END,
        suspect_to = greatest(g.claimed_to, g.suspect_to),
        suspect_at = v_lease
    WHERE g.grp = v_group.grp AND g.part = v_group.part AND g.owner = p_worker;
    IF FOUND THEN PERFORM free_running(v_group.grp, v_group.part, v_group.parts, v_lease); END IF;
  END LOOP;
  RETURN true;
END $$;

-- Runs that were running when their owner ended: due again, their effect in doubt. Only a run that was inside the
-- user's code counts a crash: one that merely waited for an answer may have been killed along with its worker.
CREATE FUNCTION free_running(p_grp text, p_part integer, p_parts integer, p_sent_by timestamptz) RETURNS void LANGUAGE plpgsql AS $$
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
  SET state = 2, next_at = clock_timestamp(), maybe_at = p_sent_by, crashes = r.crashes + r.phase, phase = 0,
      reason = 'its worker ended; the outcome of its last attempt is not known'
  WHERE r.state = 3 AND r.grp = p_grp AND r.key = ANY (v_keys);
  PERFORM settle_lanes(p_grp, v_keys);
END $$;

-- Graceful end of a worker: its groups are released before; this ends its lease and frees its permits. One that still
-- owns a group has not flushed it: it stays as it is, and is taken over when its lease has run out.
CREATE FUNCTION leave(p_worker text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM workers w WHERE w.id = p_worker AND NOT w.dead FOR UPDATE;
  IF NOT FOUND OR EXISTS (SELECT FROM lane_groups g WHERE g.owner = p_worker) THEN RETURN; END IF;
  DELETE FROM workers w WHERE w.id = p_worker;
  DELETE FROM permits p WHERE p.worker = p_worker;
END $$;
