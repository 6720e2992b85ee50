-- Whoever locks several partitions of a group, or of several groups, does so by (grp, part): flushes of several groups in one call do.
-- As in 0022, which locked those of a group as they lay on disk.
CREATE OR REPLACE FUNCTION register_flow(
  p_name text, p_grp text, p_ord integer, p_types text[], p_declaration jsonb, p_start text, p_at double precision, p_parts integer
) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
  v_head bigint;
  v_from bigint;
  v_old flows;
  v_id smallint;
BEGIN
  PERFORM pg_advisory_xact_lock(('flows'::regclass::oid::bigint << 16) | 2);
  PERFORM 1 FROM lane_groups g WHERE g.grp = p_grp AND g.wanted <> p_parts ORDER BY g.part FOR NO KEY UPDATE;
  UPDATE lane_groups g SET wanted = p_parts WHERE g.grp = p_grp AND g.wanted <> p_parts;
  SELECT * INTO v_old FROM flows f WHERE f.name = p_name FOR UPDATE;
  v_head := coalesce((SELECT max(seq) FROM events), 0);   -- after the lock: see the position update in flush
  IF v_old.id IS NULL THEN
    v_from := CASE p_start WHEN 'beginning' THEN 0 WHEN 'at' THEN seq_at(to_timestamp(p_at / 1000)) - 1 ELSE v_head END;
    INSERT INTO flows (name, grp, ord, version, types, type_after, declaration, from_seq)
    VALUES (p_name, p_grp, p_ord, 1, p_types, array_fill(v_from, ARRAY[cardinality(p_types)]), p_declaration, v_from)
    RETURNING id INTO v_id;
    PERFORM make_group(p_grp, p_parts);
    INSERT INTO positions (flow, part, position)
    SELECT v_id, g.part, v_from FROM lane_groups g WHERE g.grp = p_grp;
    RETURN v_id;
  END IF;
  IF v_old.declaration = p_declaration AND NOT v_old.removed THEN RETURN v_old.id; END IF;
  IF v_old.grp <> p_grp AND EXISTS (SELECT FROM runs r WHERE r.flow = v_old.id AND r.state < 10) THEN
    RAISE EXCEPTION 'flow % cannot move from lane group % to % while it has open runs', p_name, v_old.grp, p_grp USING ERRCODE = 'BB002';
  END IF;
  PERFORM make_group(p_grp, p_parts);
  UPDATE flows f
  SET grp = p_grp, ord = p_ord, version = f.version + 1, types = p_types, declaration = p_declaration, removed = false,
      type_after = ARRAY(SELECT coalesce(f.type_after[array_position(f.types, t.type)], v_head)
                         FROM unnest(p_types) WITH ORDINALITY AS t (type, place) ORDER BY t.place)
  WHERE f.id = v_old.id;
  IF v_old.grp <> p_grp THEN PERFORM spread_flow(v_old.id, p_grp); END IF;
  RETURN v_old.id;
END $$;
