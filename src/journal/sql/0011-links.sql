-- Cross-references: which id an object has in which system, and who waits for one.
--
-- Order of locks, the same for everybody, so that nobody waits in a circle: lanes, then external ids (64 advisory locks by
-- hash), then rows of links by primary key, then what hangs on such a row (link_waits, link_conflicts, its problem). No
-- lane is ever locked behind a link: who gives a link does not know the lanes that wait for it, their owner looks.

-- kind and cid are the object in the company's own words ('order', 'SO-1042'), ext is its id in the system. A row with
-- ext null is no cross-reference: somebody waits for one (both meet on this row: A15), or one was taken away.
-- flow to step: the step that gave it. set_by: the person who has set, replaced or taken it away since.
CREATE TABLE links (
  kind   text COLLATE "C",
  cid    text COLLATE "C",
  system text COLLATE "C",
  ext    text COLLATE "C",
  flow   smallint,
  seq    bigint,
  gen    smallint,
  step   text COLLATE "C",
  set_by text,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (kind, cid, system),
  UNIQUE (system, ext, kind)
);
CREATE INDEX links_by_run ON links (flow, seq, gen) WHERE flow IS NOT NULL;

-- Lanes with a run that waits for a cross-reference. due: it has come, and their owner has not released them yet.
CREATE TABLE link_waits (
  kind   text COLLATE "C",
  cid    text COLLATE "C",
  system text COLLATE "C",
  grp    text COLLATE "C",
  key    text COLLATE "C",
  due    boolean NOT NULL,
  PRIMARY KEY (kind, cid, system, grp, key)
);
CREATE INDEX link_waits_by_lane ON link_waits (grp, key);
CREATE INDEX link_waits_due ON link_waits (grp, key) WHERE due;

-- What was not taken over, because the object has another id in the system (held_ext), or the id another object
-- (held_cid). A row goes when a person sets the object's id.
CREATE TABLE link_conflicts (
  kind     text COLLATE "C",
  cid      text COLLATE "C",
  system   text COLLATE "C",
  ext      text COLLATE "C",
  held_ext text,
  held_cid text,
  flow     smallint NOT NULL,
  seq      bigint NOT NULL,
  gen      smallint NOT NULL,
  step     text NOT NULL,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (kind, cid, system, ext)
);

-- The simple picture for anyone with SQL.
CREATE VIEW cross_references AS
SELECT k.kind, k.cid AS id, k.system, k.ext AS external_id, k.at AS created_at FROM links k WHERE k.ext IS NOT NULL;

-- A link as a step gives it; undone: all that the step has given are taken back.
CREATE TYPE given_link AS (
  flow smallint, seq bigint, gen smallint, step text, kind text, id text, system text, external text, undone boolean
);
CREATE TYPE awaited_link AS (kind text, id text, system text, key text);

-- Whoever gives an external id out holds its lock until the end of the transaction: two objects cannot get it at once,
-- and the unique index is never waited for.
CREATE FUNCTION lock_external_ids(p_links given_link[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(('links'::regclass::oid::bigint << 16) | b.bucket)
  FROM (SELECT DISTINCT hashtext(l.system || ' ' || l.external) & 63 AS bucket
        FROM unnest(p_links) l WHERE l.external IS NOT NULL ORDER BY 1) b;
END $$;

-- Who waits for it may look again.
CREATE FUNCTION link_has_come(p_kind text, p_cid text, p_system text) RETURNS void LANGUAGE sql AS $$
  UPDATE link_waits w SET due = true WHERE w.kind = p_kind AND w.cid = p_cid AND w.system = p_system AND NOT w.due;
$$;

-- A conflict about an object's id in a system is one problem, whatever ids it is about.
CREATE FUNCTION link_fingerprint(p_kind text, p_cid text, p_system text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT left(encode(sha256(convert_to(json_build_array('link.conflict', p_kind, p_cid, p_system)::text, 'UTF8')), 'hex'), 16);
$$;

-- A link that does not stand in the table as given: into a row that waits for it, or it is a conflict, and nothing is
-- overwritten. Where a person has changed what this very step gave, the step is only repeating itself: the person is right.
CREATE FUNCTION put_link(p_link given_link) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_own links;
  v_holder text;
BEGIN
  SELECT * INTO v_own FROM links k WHERE k.kind = p_link.kind AND k.cid = p_link.id AND k.system = p_link.system;
  IF v_own.ext = p_link.external THEN RETURN; END IF;
  IF v_own.set_by IS NOT NULL AND (v_own.flow, v_own.seq, v_own.gen, v_own.step) = (p_link.flow, p_link.seq, p_link.gen, p_link.step) THEN
    RETURN;
  END IF;
  SELECT k.cid INTO v_holder FROM links k WHERE k.system = p_link.system AND k.ext = p_link.external AND k.kind = p_link.kind;
  IF v_own.ext IS NOT NULL OR v_holder IS NOT NULL THEN
    PERFORM refuse_link(p_link, v_own.ext, v_holder);
    RETURN;
  END IF;
  INSERT INTO links (kind, cid, system, ext, flow, seq, gen, step)
  VALUES (p_link.kind, p_link.id, p_link.system, p_link.external, p_link.flow, p_link.seq, p_link.gen, p_link.step)
  ON CONFLICT (kind, cid, system) DO UPDATE SET
    ext = excluded.ext, flow = excluded.flow, seq = excluded.seq, gen = excluded.gen, step = excluded.step, set_by = NULL, at = excluded.at;
  PERFORM link_has_come(p_link.kind, p_link.id, p_link.system);
END $$;

-- The conflict is remembered and made a problem; when the same flush is repeated, nothing changes.
CREATE FUNCTION refuse_link(p_link given_link, p_held_ext text, p_held_cid text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO link_conflicts AS c (kind, cid, system, ext, held_ext, held_cid, flow, seq, gen, step)
  VALUES (p_link.kind, p_link.id, p_link.system, p_link.external, p_held_ext, p_held_cid, p_link.flow, p_link.seq, p_link.gen, p_link.step)
  ON CONFLICT (kind, cid, system, ext) DO UPDATE SET
    held_ext = excluded.held_ext, held_cid = excluded.held_cid, flow = excluded.flow, seq = excluded.seq, gen = excluded.gen,
    step = excluded.step, at = excluded.at
  WHERE (c.flow, c.seq, c.gen, c.step) <> (excluded.flow, excluded.seq, excluded.gen, excluded.step);
  IF NOT FOUND THEN RETURN; END IF;
  INSERT INTO problems AS t (fp, system, code, title)
  SELECT link_fingerprint(p_link.kind, p_link.id, p_link.system), p_link.system, 'link.conflict',
         format('%s %s in %s: step %s of run %s/%s gives the id %s, but %s', p_link.kind, p_link.id, p_link.system, p_link.step, f.name,
                p_link.seq || CASE p_link.gen WHEN 0 THEN '' ELSE '/' || p_link.gen END, p_link.external,
                concat_ws(' and ', 'it has the id ' || p_held_ext, 'that id belongs to ' || p_link.kind || ' ' || p_held_cid))
  FROM flows f WHERE f.id = p_link.flow
  ON CONFLICT (fp) DO UPDATE SET
    title = excluded.title, last_seen = clock_timestamp(), state = CASE t.state WHEN 'resolved' THEN 'open' ELSE t.state END;
END $$;

-- Cross-references that steps have given, and those that runs wait for. By far the most links are new: one INSERT, and
-- nothing else finds anything to do. Who waits and who gives meet on the row of the object: the second to lock it sees
-- what the first has committed, so that either the wait is written as due or the link marks it so (A15).
CREATE OR REPLACE FUNCTION write_links(p_grp text, p_links json, p_waits json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_links given_link[] := ARRAY(SELECT l FROM json_populate_recordset(NULL::given_link, coalesce(p_links, '[]')) l);
  v_waits awaited_link[] := ARRAY(SELECT w FROM json_populate_recordset(NULL::awaited_link, coalesce(p_waits, '[]')) w);
  v_link given_link;
BEGIN
  PERFORM lock_external_ids(v_links);
  INSERT INTO links (kind, cid, system, ext, flow, seq, gen, step)
  SELECT n.kind, n.id, n.system, n.external, n.flow, n.seq, n.gen, n.step
  FROM (
    SELECT l.kind, l.id, l.system, l.external, l.flow, l.seq, l.gen, l.step, l.place
    FROM unnest(v_links) WITH ORDINALITY AS l (flow, seq, gen, step, kind, id, system, external, undone, place)
    WHERE l.external IS NOT NULL
      AND NOT EXISTS (SELECT FROM links o WHERE o.system = l.system AND o.ext = l.external AND o.kind = l.kind)
    UNION ALL
    SELECT DISTINCT w.kind, w.id, w.system, NULL, NULL::smallint, NULL::bigint, NULL::smallint, NULL, NULL::bigint FROM unnest(v_waits) w
  ) n
  ORDER BY n.kind COLLATE "C", n.id COLLATE "C", n.system COLLATE "C", n.place
  ON CONFLICT DO NOTHING;

  PERFORM 1
  FROM links k
  JOIN (
    SELECT l.kind, l.id, l.system FROM unnest(v_links) l WHERE l.external IS NOT NULL
    AND NOT EXISTS (SELECT FROM links o WHERE o.kind = l.kind AND o.cid = l.id AND o.system = l.system AND o.ext = l.external)
    UNION
    SELECT w.kind, w.id, w.system FROM unnest(v_waits) w
    UNION
    SELECT o.kind, o.cid, o.system
    FROM unnest(v_links) l JOIN links o ON o.flow = l.flow AND o.seq = l.seq AND o.gen = l.gen AND o.step = l.step WHERE l.undone
  ) n ON k.kind = n.kind AND k.cid = n.id AND k.system = n.system
  ORDER BY k.kind, k.cid, k.system FOR UPDATE OF k;

  FOR v_link IN
    SELECT l.* FROM unnest(v_links) l
    WHERE l.external IS NOT NULL
      AND NOT EXISTS (SELECT FROM links o WHERE o.kind = l.kind AND o.cid = l.id AND o.system = l.system AND o.ext = l.external)
    ORDER BY l.kind COLLATE "C", l.id COLLATE "C", l.system COLLATE "C"
  LOOP
    PERFORM put_link(v_link);
  END LOOP;

  UPDATE links k SET ext = NULL, at = clock_timestamp()
  FROM unnest(v_links) l                                       -- links_by_run
  WHERE l.undone AND k.flow = l.flow AND k.seq = l.seq AND k.gen = l.gen AND k.step = l.step AND k.ext IS NOT NULL AND k.set_by IS NULL;

  INSERT INTO link_waits AS t (kind, cid, system, grp, key, due)
  SELECT DISTINCT w.kind, w.id, w.system, p_grp, w.key, k.ext IS NOT NULL
  FROM unnest(v_waits) w JOIN links k ON k.kind = w.kind AND k.cid = w.id AND k.system = w.system
  ON CONFLICT (kind, cid, system, grp, key) DO UPDATE SET due = true WHERE excluded.due AND NOT t.due;
END $$;

-- Lanes of this owner whose cross-references have come: their waiting runs are due, and look for themselves. Answers how
-- many. Asked several times a second while anything waits: one probe of link_waits_due, and no lock, where nothing is due.
CREATE FUNCTION release_linked(p_grp text, p_part integer, p_epoch bigint, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_keys text[];
BEGIN
  SELECT array_agg(d.key) INTO v_keys FROM (
    SELECT DISTINCT w.key
    FROM link_waits w                                          -- link_waits_due
    JOIN lane_groups g ON g.grp = w.grp AND g.part = p_part
    LEFT JOIN lanes l ON l.grp = w.grp AND l.key = w.key
    WHERE w.grp = p_grp AND w.due AND (l.key IS NULL OR l.khash % g.parts = p_part) LIMIT p_limit
  ) d;
  IF v_keys IS NULL THEN RETURN 0; END IF;
  PERFORM fence(p_grp, p_part, p_epoch);
  PERFORM 1 FROM lanes l WHERE l.grp = p_grp AND l.key = ANY (v_keys) ORDER BY l.key FOR UPDATE;
  -- Whatever else such a run waits for, it finds out that this is not over. A parked one waits for its compensation.
  UPDATE runs r SET next_at = clock_timestamp()
  WHERE r.grp = p_grp AND r.key = ANY (v_keys) AND r.state IN (1, 2) AND r.awaits IS NOT NULL;
  PERFORM settle_lanes(p_grp, v_keys);
  -- Only due ones: those that are not may be about to be marked by who gives the link.
  DELETE FROM link_waits w WHERE w.grp = p_grp AND w.key = ANY (v_keys) AND w.due;
  RETURN cardinality(v_keys);
END $$;

-- Waits that are over without their link: the run has failed, was skipped, or goes back. With them the rows of links that
-- nobody waits for any more. The lanes are locked, so that a run cannot begin to wait meanwhile.
CREATE FUNCTION tidy_link_waits(p_grp text, p_part integer, p_epoch bigint, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
  v_over link_waits[];
BEGIN
  SELECT array_agg(d.key) INTO v_keys FROM (
    SELECT DISTINCT w.key FROM link_waits w                    -- link_waits_by_lane
    JOIN lane_groups g ON g.grp = w.grp AND g.part = p_part
    LEFT JOIN lanes l ON l.grp = w.grp AND l.key = w.key
    WHERE w.grp = p_grp AND (l.key IS NULL OR l.khash % g.parts = p_part) AND NOT lane_may_wait(p_grp, w.key) LIMIT p_limit
  ) d;
  IF v_keys IS NULL THEN RETURN 0; END IF;
  PERFORM fence(p_grp, p_part, p_epoch);
  PERFORM lock_lanes(p_grp, v_keys, array_fill(0, ARRAY[cardinality(v_keys)]));
  SELECT array_agg(w) INTO v_over FROM link_waits w WHERE w.grp = p_grp AND w.key = ANY (v_keys) AND NOT lane_may_wait(p_grp, w.key);
  PERFORM settle_lanes(p_grp, v_keys);                         -- those that had none before are gone again
  PERFORM 1 FROM links k JOIN unnest(v_over) o ON k.kind = o.kind AND k.cid = o.cid AND k.system = o.system
  ORDER BY k.kind, k.cid, k.system FOR UPDATE OF k;
  DELETE FROM link_waits w USING unnest(v_over) o
  WHERE w.kind = o.kind AND w.cid = o.cid AND w.system = o.system AND w.grp = o.grp AND w.key = o.key;
  DELETE FROM links k USING unnest(v_over) o
  WHERE k.kind = o.kind AND k.cid = o.cid AND k.system = o.system AND is_empty(k)
    AND NOT EXISTS (SELECT FROM link_waits w WHERE w.kind = k.kind AND w.cid = k.cid AND w.system = k.system);
  RETURN coalesce(cardinality(v_over), 0);
END $$;

-- Whether a run of the lane waits in the middle of its steps, or may begin to.
CREATE FUNCTION lane_may_wait(p_grp text, p_key text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM runs r WHERE r.grp = p_grp AND r.key = p_key AND r.state < 10 AND (r.awaits IS NOT NULL OR r.state = 3));
$$;

-- Nothing is known of such a row, nor was ever.
CREATE FUNCTION is_empty(p_link links) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT p_link.ext IS NULL AND p_link.flow IS NULL AND p_link.set_by IS NULL;
$$;

-- A person says which id an object has in a system. Answers 'done', 'same', 'held' (it has another one, and p_replace was
-- not said) or 'taken' (the id belongs to another object). Who waits for it is released; its conflict is over.
CREATE FUNCTION set_link(
  p_kind text, p_id text, p_system text, p_ext text, p_replace boolean, p_actor text, p_reason text,
  OUT result text, OUT held_ext text, OUT held_id text
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_external_ids(ARRAY[ROW(NULL, NULL, NULL, NULL, p_kind, p_id, p_system, p_ext, NULL)::given_link]);
  INSERT INTO links (kind, cid, system) VALUES (p_kind, p_id, p_system) ON CONFLICT (kind, cid, system) DO NOTHING;
  SELECT k.ext INTO held_ext FROM links k WHERE k.kind = p_kind AND k.cid = p_id AND k.system = p_system FOR UPDATE;
  SELECT k.cid INTO held_id FROM links k WHERE k.system = p_system AND k.ext = p_ext AND k.kind = p_kind AND k.cid <> p_id;
  result := CASE WHEN held_ext = p_ext THEN 'same' WHEN held_id IS NOT NULL THEN 'taken'
                 WHEN held_ext IS NOT NULL AND NOT p_replace THEN 'held' ELSE 'done' END;
  IF result <> 'done' THEN
    DELETE FROM links k WHERE k.kind = p_kind AND k.cid = p_id AND k.system = p_system AND is_empty(k)
      AND NOT EXISTS (SELECT FROM link_waits w WHERE w.kind = p_kind AND w.cid = p_id AND w.system = p_system);
    RETURN;
  END IF;
  UPDATE links k SET ext = p_ext, set_by = p_actor, at = clock_timestamp() WHERE k.kind = p_kind AND k.cid = p_id AND k.system = p_system;
  PERFORM link_has_come(p_kind, p_id, p_system);
  DELETE FROM link_conflicts c WHERE c.kind = p_kind AND c.cid = p_id AND c.system = p_system;
  UPDATE problems p SET state = 'resolved'
  WHERE p.fp = link_fingerprint(p_kind, p_id, p_system) AND p.state IN ('open', 'acknowledged');
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, 'link', p_kind || ' ' || p_id || ' in ' || p_system, p_reason,
          jsonb_build_object('external', held_ext), jsonb_build_object('external', p_ext));
END $$;

-- A person says that an object's id in a system is none. Answers whether there was one.
CREATE FUNCTION remove_link(p_kind text, p_id text, p_system text, p_actor text, p_reason text, OUT removed text) LANGUAGE plpgsql AS $$
BEGIN
  SELECT k.ext INTO removed FROM links k WHERE k.kind = p_kind AND k.cid = p_id AND k.system = p_system FOR UPDATE;
  IF removed IS NULL THEN RETURN; END IF;
  -- What a step gave stays as a row, so that the step cannot give it again.
  UPDATE links k SET ext = NULL, set_by = CASE WHEN k.flow IS NULL THEN NULL ELSE p_actor END, at = clock_timestamp()
  WHERE k.kind = p_kind AND k.cid = p_id AND k.system = p_system;
  DELETE FROM links k WHERE k.kind = p_kind AND k.cid = p_id AND k.system = p_system AND is_empty(k)
    AND NOT EXISTS (SELECT FROM link_waits w WHERE w.kind = p_kind AND w.cid = p_id AND w.system = p_system);
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, 'unlink', p_kind || ' ' || p_id || ' in ' || p_system, p_reason,
          jsonb_build_object('external', removed), jsonb_build_object('external', NULL));
END $$;
