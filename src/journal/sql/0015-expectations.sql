-- Expectations: an event must follow another about the same object, or a problem opens. Any live worker reads the log for
-- them, about once a second; whoever moves the position writes what was read, and nobody else does.

-- print is of the declaration: who runs another one leaves it alone.
CREATE TABLE expectations (
  id           smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name         text NOT NULL UNIQUE,
  print        text NOT NULL,
  declaration  jsonb NOT NULL,                -- for people, and for the words of problems
  look_back_ms bigint NOT NULL,               -- 0: what came before does not count
  position     bigint NOT NULL,               -- all events up to here are dealt with
  moved_at     timestamptz NOT NULL,
  removed_at   timestamptz,                   -- it left the configuration
  met          bigint NOT NULL DEFAULT 0,     -- in time; late ones have their rows
  cancelled    bigint NOT NULL DEFAULT 0,
  unread       bigint NOT NULL DEFAULT 0      -- events whose object nobody could say
) WITH (fillfactor = 50);

-- What is awaited, by the event that it must follow. What came in time leaves no row.
-- state: 1 open 2 overdue | 10 came late 11 cancelled
CREATE TABLE expected (
  expectation smallint,
  seq         bigint,
  key         text COLLATE "C" NOT NULL,
  opened_at   timestamptz NOT NULL,           -- when that event was accepted
  due_at      timestamptz NOT NULL,
  state       smallint NOT NULL,
  met_seq     bigint,
  ended_at    timestamptz,                    -- when the expected event was accepted, or it was cancelled
  reason      text,
  PRIMARY KEY (expectation, seq)
) WITH (fillfactor = 70);
CREATE INDEX expected_due ON expected (expectation, due_at, seq) WHERE state = 1;
CREATE INDEX expected_overdue ON expected (expectation, due_at, seq) WHERE state = 2;
CREATE INDEX expected_by_key ON expected (expectation, key) WHERE state < 10;

-- With look-back: the last expected event of each object, as long as it may count for one that is still to come.
CREATE TABLE expected_early (
  expectation smallint,
  key         text COLLATE "C",
  seq         bigint NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (expectation, key)
);
CREATE INDEX expected_early_by_time ON expected_early (expectation, at);

-- One problem for each object; '…:' keeps it apart from those of runs, which resolve by themselves.
CREATE FUNCTION expected_fp(p_expectation smallint, p_key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'expected:' || left(encode(sha256(convert_to(p_expectation || ':' || p_key, 'UTF8')), 'hex'), 16);
$$;

-- `40 min`, `2 h`, `3 d`: as the command line says it.
CREATE FUNCTION in_words(p_span interval) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN s.s < 100 THEN round(s.s) || ' s' WHEN s.s < 6000 THEN round(s.s / 60) || ' min'
              WHEN s.s < 172800 THEN round(s.s / 3600) || ' h' ELSE round(s.s / 86400) || ' d' END
  FROM (SELECT extract(epoch FROM p_span)::numeric AS s) s;
$$;

-- Problems of these objects end, unless something of the object is still overdue. p_words: what became of each.
CREATE FUNCTION resolve_expected(p_expectation smallint, p_keys text[], p_words text[]) RETURNS void LANGUAGE sql AS $$
  UPDATE problems p
  SET state = CASE WHEN p.state IN ('open', 'acknowledged') THEN 'resolved' ELSE p.state END,
      title = p.title || ': ' || k.words, last_seen = clock_timestamp()
  FROM (SELECT DISTINCT ON (k.key) expected_fp(p_expectation, k.key) AS fp, k.words
        FROM unnest(p_keys, p_words) AS k (key, words)
        WHERE NOT EXISTS (SELECT FROM expected e WHERE e.expectation = p_expectation AND e.key = k.key AND e.state = 2)
        ORDER BY k.key) k
  WHERE p.fp = k.fp AND p.state <> 'resolved';
$$;

-- The expectations of a deployment. What is not among them is removed, and what it awaited is cancelled: the last to start
-- decides. One that comes back within a day (an old process that started once more, a rollback) goes on where it was; later
-- it begins anew. A changed declaration counts for what opens from then on.
CREATE FUNCTION register_expectations(p_list json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_new record;
  v_old expectations;
  v_from bigint;
  v_head bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(('expectations'::regclass::oid::bigint << 16) | 2);
  PERFORM 1 FROM expectations x ORDER BY x.id FOR UPDATE;   -- in the order of those who advance them
  v_head := coalesce((SELECT max(seq) FROM events), 0);
  FOR v_new IN
    SELECT l.name, l.print, l.declaration, l."lookBackMs" AS look_back_ms, l.start, l.at
    FROM json_to_recordset(p_list) AS l (name text, print text, declaration jsonb, "lookBackMs" bigint, start text, at double precision)
    ORDER BY l.name
  LOOP
    v_from := CASE v_new.start WHEN 'beginning' THEN 0 WHEN 'at' THEN seq_at(to_timestamp(v_new.at / 1000)) - 1 ELSE v_head END;
    SELECT * INTO v_old FROM expectations x WHERE x.name = v_new.name;
    IF NOT FOUND THEN
      INSERT INTO expectations (name, print, declaration, look_back_ms, position, moved_at)
      VALUES (v_new.name, v_new.print, v_new.declaration, v_new.look_back_ms, v_from, clock_timestamp());
      CONTINUE;
    END IF;
    UPDATE expectations x
    SET print = v_new.print, declaration = v_new.declaration, look_back_ms = v_new.look_back_ms, removed_at = NULL,
        position = CASE WHEN v_old.removed_at < clock_timestamp() - interval '1 day' THEN v_from ELSE x.position END
    WHERE x.id = v_old.id;
    IF v_old.removed_at < clock_timestamp() - interval '1 day' THEN
      DELETE FROM expected e WHERE e.expectation = v_old.id;
      DELETE FROM expected_early y WHERE y.expectation = v_old.id;
    ELSIF v_old.removed_at IS NOT NULL THEN
      UPDATE expected e SET state = 1, ended_at = NULL, reason = NULL   -- an overdue one is found to be so again
      WHERE e.expectation = v_old.id AND e.state = 11 AND e.ended_at = v_old.removed_at;
    END IF;
  END LOOP;
  FOR v_old IN
    SELECT * FROM expectations x
    WHERE x.removed_at IS NULL AND NOT EXISTS (SELECT FROM json_to_recordset(p_list) AS l (name text) WHERE l.name = x.name)
    ORDER BY x.id
  LOOP
    UPDATE expectations x SET removed_at = clock_timestamp() WHERE x.id = v_old.id RETURNING x.removed_at INTO v_old.removed_at;
    WITH gone AS (
      UPDATE expected e SET state = 11, ended_at = v_old.removed_at, reason = 'the expectation left the configuration'
      WHERE e.expectation = v_old.id AND e.state < 10 RETURNING e.key
    )
    UPDATE problems p SET state = 'resolved', title = p.title || ': the expectation left the configuration'
    FROM (SELECT DISTINCT expected_fp(v_old.id, g.key) AS fp FROM gone g) g
    WHERE p.fp = g.fp AND p.state IN ('open', 'acknowledged');
  END LOOP;
END $$;

-- What was read of the log from p_from to p_to, for expectations that stand at p_from: one that somebody else has moved
-- meanwhile is left as it is. Answers those that were advanced. Per object, p_closes holds the first expected event of the
-- stretch and the last, p_opens what no later event of the stretch has met in time. p_until: the log is known up to its head, so
-- that what was due before is overdue; null: it is not. Of those at most p_most at a time.
CREATE FUNCTION advance_expectations(
  p_ids smallint[], p_from bigint, p_to bigint, p_opens json, p_closes json, p_counts json, p_until double precision, p_most integer
) RETURNS smallint[] LANGUAGE plpgsql AS $$
DECLARE
  v_moved smallint[];
  v_id smallint;
  v_closes json;
BEGIN
  -- After a wait for the lock the row is looked at again: whoever comes second finds it moved.
  SELECT array_agg(x.id) INTO v_moved FROM (
    SELECT x.id FROM expectations x
    WHERE x.id = ANY (p_ids) AND x.position = p_from AND x.removed_at IS NULL ORDER BY x.id FOR UPDATE
  ) x;
  FOREACH v_id IN ARRAY coalesce(v_moved, '{}') LOOP
    v_closes := (SELECT json_agg(c) FROM json_array_elements(p_closes) AS c WHERE (c ->> 'e')::smallint = v_id);
    PERFORM close_expected(v_id, v_closes);
    PERFORM open_expected(v_id, (SELECT json_agg(o) FROM json_array_elements(p_opens) AS o WHERE (o ->> 'e')::smallint = v_id));
    IF v_closes IS NOT NULL THEN PERFORM keep_early(v_id, v_closes); END IF;
    IF p_until IS NOT NULL THEN PERFORM sweep_expected(v_id, to_timestamp(p_until / 1000), p_most); END IF;
  END LOOP;
  UPDATE expectations x
  SET position = p_to, moved_at = clock_timestamp(), met = x.met + c.met, unread = x.unread + c.unread
  FROM unnest(v_moved) AS m (id)
  LEFT JOIN LATERAL (SELECT coalesce(sum(c.met), 0) AS met, coalesce(sum(c.unread), 0) AS unread
                     FROM json_to_recordset(p_counts) AS c (e smallint, met bigint, unread bigint) WHERE c.e = m.id) c ON true
  WHERE x.id = m.id AND p_to > p_from;
  RETURN v_moved;
END $$;

-- Expected events have come: each meets what is open for its object from before the stretch.
CREATE FUNCTION close_expected(p_id smallint, p_closes json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_count bigint;
BEGIN
  IF p_closes IS NULL THEN RETURN; END IF;
  DELETE FROM expected e                                   -- expected_by_key
  USING json_to_recordset(p_closes) AS c (key text, seq bigint, at double precision)
  WHERE e.expectation = p_id AND e.key = c.key AND e.state < 10 AND e.state = 1 AND e.seq < c.seq AND to_timestamp(c.at / 1000) <= e.due_at;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  UPDATE expectations x SET met = x.met + v_count WHERE x.id = p_id AND v_count > 0;
  WITH late AS (
    UPDATE expected e SET state = 10, met_seq = c.seq, ended_at = to_timestamp(c.at / 1000)
    FROM json_to_recordset(p_closes) AS c (key text, seq bigint, at double precision)
    WHERE e.expectation = p_id AND e.key = c.key AND e.state < 10 AND e.seq < c.seq
    RETURNING e.key, e.seq, e.met_seq, e.ended_at - e.due_at AS by
  ), told AS (
    SELECT DISTINCT ON (l.key) l.key,
           'came ' || CASE WHEN l.by > interval '0' THEN in_words(l.by) || ' late' ELSE 'in time' END || ' (seq ' || l.met_seq || ')' AS words
    FROM late l ORDER BY l.key, l.seq
  )
  -- In the same statement the rows still look as they were: what is overdue beside them is told by its seq.
  UPDATE problems p
  SET state = CASE WHEN p.state IN ('open', 'acknowledged') THEN 'resolved' ELSE p.state END,
      title = p.title || ': ' || t.words, last_seen = clock_timestamp()
  FROM told t
  WHERE p.fp = expected_fp(p_id, t.key) AND p.state <> 'resolved'
    AND NOT EXISTS (SELECT FROM expected e WHERE e.expectation = p_id AND e.key = t.key AND e.state < 10 AND e.state = 2
                    AND NOT EXISTS (SELECT FROM late l WHERE l.seq = e.seq));
END $$;

-- Those that are met within the stretch are here only if they were met late: metSeq, metAt.
CREATE FUNCTION open_expected(p_id smallint, p_opens json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_given bigint;
  v_count bigint;
BEGIN
  IF p_opens IS NULL THEN RETURN; END IF;
  INSERT INTO expected (expectation, seq, key, opened_at, due_at, state, met_seq, ended_at)
  SELECT p_id, o.seq, o.key, to_timestamp(o.at / 1000), to_timestamp(o.due / 1000),
         CASE WHEN o."metSeq" IS NULL THEN 1 ELSE 10 END, o."metSeq", to_timestamp(o."metAt" / 1000)
  FROM json_to_recordset(p_opens) AS o (
    seq bigint, key text, at double precision, due double precision, "metSeq" bigint, "metAt" double precision)
  WHERE NOT EXISTS (                                       -- its primary key
    SELECT FROM expected_early y JOIN expectations x ON x.id = y.expectation
    WHERE y.expectation = p_id AND y.key = o.key AND y.seq < o.seq
      AND y.at >= to_timestamp(o.at / 1000) - x.look_back_ms * interval '1 ms')
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_given := json_array_length(p_opens);
  UPDATE expectations x SET met = x.met + v_given - v_count WHERE x.id = p_id AND v_given > v_count;
END $$;

-- The last expected event of each object, for what may follow it.
CREATE FUNCTION keep_early(p_id smallint, p_closes json) RETURNS void LANGUAGE sql AS $$
  INSERT INTO expected_early AS t (expectation, key, seq, at)
  SELECT p_id, c.key, c."lastSeq", to_timestamp(c."lastAt" / 1000)
  FROM json_to_recordset(p_closes) AS c (key text, "lastSeq" bigint, "lastAt" double precision)
  WHERE (SELECT x.look_back_ms FROM expectations x WHERE x.id = p_id) > 0
  ON CONFLICT (expectation, key) DO UPDATE SET seq = excluded.seq, at = excluded.at;
$$;

-- What was due by then and has not come becomes a problem.
CREATE FUNCTION sweep_expected(p_id smallint, p_until timestamptz, p_most integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH late AS (
    UPDATE expected e SET state = 2
    FROM (SELECT d.seq FROM expected d WHERE d.expectation = p_id AND d.state = 1 AND d.due_at <= p_until   -- expected_due
          ORDER BY d.due_at, d.seq LIMIT p_most) d
    WHERE e.expectation = p_id AND e.seq = d.seq
    RETURNING e.key, e.seq
  ), told AS (
    SELECT DISTINCT ON (l.key) l.key, l.seq FROM late l ORDER BY l.key, l.seq
  )
  INSERT INTO problems AS t (fp, system, code, title, first_seen, last_seen)
  SELECT expected_fp(p_id, l.key), x.name, 'expectation.overdue',
         format('no %s for %s within %s of %s (seq %s)',
                x.declaration ->> 'expected', l.key, x.declaration ->> 'within', x.declaration ->> 'after', l.seq),
         clock_timestamp(), clock_timestamp()
  FROM told l JOIN expectations x ON x.id = p_id
  ON CONFLICT (fp) DO UPDATE SET
    last_seen = excluded.last_seen,
    title = CASE WHEN t.state IN ('open', 'acknowledged') THEN t.title ELSE excluded.title END,
    state = CASE t.state WHEN 'resolved' THEN 'open' ELSE t.state END;
  DELETE FROM expected_early y USING expectations x        -- expected_early_by_time
  WHERE x.id = p_id AND x.look_back_ms > 0 AND y.expectation = p_id AND y.at < p_until - x.look_back_ms * interval '1 ms';
END $$;

-- A person says that it need not come.
CREATE FUNCTION cancel_expected(p_name text, p_seq bigint, p_actor text, p_reason text,
  OUT result text, OUT was text, OUT key text) LANGUAGE plpgsql AS $$
DECLARE
  v_id smallint;
  v_row expected;
BEGIN
  SELECT x.id INTO v_id FROM expectations x WHERE x.name = p_name FOR UPDATE;
  SELECT * INTO v_row FROM expected e WHERE e.expectation = v_id AND e.seq = p_seq FOR UPDATE;
  IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
  was := CASE v_row.state WHEN 1 THEN 'open' WHEN 2 THEN 'overdue' WHEN 10 THEN 'late' ELSE 'cancelled' END;
  key := v_row.key;
  IF v_row.state >= 10 THEN result := 'ended'; RETURN; END IF;
  UPDATE expected e SET state = 11, ended_at = clock_timestamp(), reason = p_reason WHERE e.expectation = v_id AND e.seq = p_seq;
  UPDATE expectations x SET cancelled = x.cancelled + 1 WHERE x.id = v_id;
  PERFORM resolve_expected(v_id, ARRAY[v_row.key], ARRAY['cancelled (' || p_reason || ')']);
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, 'cancel', 'expectation ' || p_name || '/' || p_seq, p_reason,
          jsonb_build_object('state', was, 'key', v_row.key), jsonb_build_object('state', 'cancelled'));
  result := 'done';
END $$;
