-- The outbox: events that applications of the same database write inside their own transactions. publish() writes here and
-- never into events, whose lock it would hold as long as the caller's transaction lives. A relay moves the rows into the log.

-- Ids are given in the order of the calls, not of the commits: rows are taken from the oldest that is visible, never from
-- behind the last one taken. Not unique by identity: of two open transactions with one identity the second would wait for
-- the first; append() drops the copy. Vacuum comes by number, since the table is empty and busy in turn.
CREATE TABLE outbox (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source   text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  type     text COLLATE "C" NOT NULL,
  key      text COLLATE "C",
  data     text NOT NULL,
  ext      text NOT NULL,                    -- the other CloudEvents attributes, a flat JSON object
  at       timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Rows that cannot become events: set aside, so that what stands behind them goes on.
CREATE TABLE outbox_rejected (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source      text COLLATE "C" NOT NULL,
  event_id    text COLLATE "C" NOT NULL,
  type        text COLLATE "C" NOT NULL,
  key         text COLLATE "C",
  data        text NOT NULL,
  ext         text NOT NULL,
  at          timestamptz NOT NULL,          -- when it was published
  rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  code        text NOT NULL,
  message     text NOT NULL,
  fp          text COLLATE "C" NOT NULL      -- fingerprint of its problem
);
CREATE INDEX outbox_rejected_by_problem ON outbox_rejected (fp, id);

-- Which process moves rows now. Two at once would do no harm, only the work twice.
CREATE TABLE outbox_relay (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  holder text NOT NULL DEFAULT '',
  until  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO outbox_relay DEFAULT VALUES;

-- Why this cannot be an attribute that is kept as a name; null when it can. As the HTTP door says it.
CREATE FUNCTION outbox_name_fault(p_text text, p_most integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN p_text = '' THEN 'must not be empty'
    WHEN octet_length(p_text) > p_most THEN 'must not be longer than ' || p_most || ' bytes'
    WHEN p_text ~ '[\u0001-\u001f\u007f-\u009f]' THEN 'must not contain control characters'
  END
$$;

-- What all forms of publish() do. The schema of the event's type is busbar's to check, later; here is what every event
-- must be, so that a fault of the call ends the caller's transaction and not up among the rejected rows.
CREATE FUNCTION write_outbox(
  p_type text, p_key text, p_data text, p_id text, p_source text, p_sequence bigint, p_attributes jsonb
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_key text := nullif(p_key, '');
  v_id text := coalesce(p_id, gen_random_uuid()::text);
  v_attributes jsonb := coalesce(p_attributes, '{}');
  v_fault text;
BEGIN
  SELECT f.name || ' ' || f.fault INTO v_fault
  FROM (VALUES (1, 'type', coalesce(outbox_name_fault(p_type, 255), CASE WHEN p_type IS NULL THEN 'must not be null' END)),
               (2, 'key', outbox_name_fault(v_key, 255)),
               (3, 'id', outbox_name_fault(v_id, 255)),
               (4, 'source', coalesce(outbox_name_fault(p_source, 255), CASE WHEN p_source IS NULL THEN 'must not be null' END)),
               (5, 'data', CASE WHEN p_data IS NULL THEN 'must not be null (the JSON null is ''null'')' END),
               (6, 'attributes', CASE WHEN jsonb_typeof(v_attributes) <> 'object' THEN 'must be a JSON object'
                                      WHEN octet_length(v_attributes::text) > 8192 THEN 'must not be larger than 8 KiB' END)
       ) AS f (place, name, fault)
  WHERE f.fault IS NOT NULL ORDER BY f.place LIMIT 1;
  IF v_fault IS NULL AND v_attributes <> '{}' THEN
    SELECT 'attribute ' || quote_literal(a.key) || CASE
             WHEN a.key IN ('specversion', 'id', 'source', 'type', 'data', 'partitionkey') THEN ' has an argument of its own, or none'
             WHEN a.key !~ '^[a-z0-9]{1,40}$' THEN ' must have only lower-case letters and digits, at most 40'
             ELSE ' must be a string, a number or a boolean, of at most 1,024 bytes' END
    INTO v_fault
    FROM jsonb_each(v_attributes) a
    WHERE a.key IN ('specversion', 'id', 'source', 'type', 'data', 'partitionkey') OR a.key !~ '^[a-z0-9]{1,40}$'
       OR jsonb_typeof(a.value) IN ('object', 'array') OR octet_length(a.value #>> '{}') > 1024
    ORDER BY a.key LIMIT 1;
  END IF;
  IF v_fault IS NOT NULL THEN RAISE EXCEPTION 'busbar.publish: %', v_fault USING ERRCODE = 'invalid_parameter_value'; END IF;
  IF p_sequence IS NOT NULL THEN v_attributes := v_attributes || jsonb_build_object('sequence', p_sequence::text); END IF;
  -- The transaction has its number before the row has its id: outbox_horizon() relies on it.
  PERFORM pg_current_xact_id();
  INSERT INTO outbox (source, event_id, type, key, data, ext)
  VALUES (p_source, v_id, p_type, v_key, p_data, v_attributes::text);
  RETURN v_id;
END $$;

-- Publishes an event that becomes real when the caller's transaction commits; answers its id. It runs with the rights of
-- the journal's owner, so the caller needs none on the tables. Data of all three JSON-like types, since PostgreSQL casts
-- none of them to another by itself; a literal is taken as text.
CREATE FUNCTION publish(
  type text, key text, data jsonb, id text DEFAULT NULL, source text DEFAULT 'urn:busbar:outbox',
  sequence bigint DEFAULT NULL, attributes jsonb DEFAULT '{}'
) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT write_outbox($1, $2, $3::text, $4, $5, $6, $7) $$;

CREATE FUNCTION publish(
  type text, key text, data json, id text DEFAULT NULL, source text DEFAULT 'urn:busbar:outbox',
  sequence bigint DEFAULT NULL, attributes jsonb DEFAULT '{}'
) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT write_outbox($1, $2, $3::text, $4, $5, $6, $7) $$;

CREATE FUNCTION publish(
  type text, key text, data text, id text DEFAULT NULL, source text DEFAULT 'urn:busbar:outbox',
  sequence bigint DEFAULT NULL, attributes jsonb DEFAULT '{}'
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  BEGIN
    PERFORM $3::jsonb;
  EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RAISE EXCEPTION 'busbar.publish: data is not JSON that can be stored: %', SQLERRM USING ERRCODE = 'invalid_parameter_value';
  END;
  RETURN write_outbox($1, $2, $3, $4, $5, $6, $7);
END $$;

-- Lets a role publish, and nothing else: for the journal's owner to call.
CREATE FUNCTION grant_publish(p_role name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_function regprocedure;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), p_role);
  FOR v_function IN
    SELECT p.oid FROM pg_proc p WHERE p.proname = 'publish' AND p.pronamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', v_function, p_role);
  END LOOP;
END $$;

-- Callers have search paths of their own; pg_temp last, so that no temporary table of a caller stands in for the outbox.
-- Nobody may publish who was not allowed to.
DO $pin$
DECLARE v_function regprocedure;
BEGIN
  FOR v_function IN
    SELECT p.oid FROM pg_proc p
    WHERE p.proname IN ('publish', 'grant_publish') AND p.pronamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
  END LOOP;
END $pin$;

-- Whether this relay is to move rows: 'empty' when there is none behind p_after, 'held' while another one is at it. An
-- idle outbox costs one look at the primary key, and no write.
CREATE FUNCTION claim_outbox(p_relay text, p_lease_ms double precision, p_after bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM outbox o WHERE o.id > p_after) THEN RETURN 'empty'; END IF;
  -- Without a lock first: the others only look.
  IF EXISTS (SELECT FROM outbox_relay r WHERE r.holder <> p_relay AND r.until >= clock_timestamp()) THEN RETURN 'held'; END IF;
  UPDATE outbox_relay r SET holder = p_relay, until = clock_timestamp() + p_lease_ms * interval '1 ms'
  WHERE r.holder = p_relay OR r.until < clock_timestamp();
  RETURN CASE WHEN FOUND THEN 'mine' ELSE 'held' END;
END $$;

-- What is known of rows that cannot be seen yet: every transaction that was given an id up to `last` had its number below
-- `next` by then. Once `oldest`, asked later, has reached that `next`, all of them have ended. Two statements, so that the
-- second has a younger snapshot.
CREATE FUNCTION outbox_horizon(OUT last bigint, OUT oldest bigint, OUT next bigint) LANGUAGE plpgsql AS $$
BEGIN
  SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox', 'id')::regclass), 0) INTO last;
  SELECT pg_snapshot_xmin(s.now)::text::bigint, pg_snapshot_xmax(s.now)::text::bigint INTO oldest, next
  FROM (SELECT pg_current_snapshot() AS now) s;
END $$;

-- Whether two texts are the same JSON; not, when one of them is too odd to tell.
CREATE FUNCTION outbox_same_data(p_one text, p_other text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN p_one = p_other OR p_one::jsonb = p_other::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN false;
END $$;

-- The problem of a rejected row. Short enough for the path of the control API, whatever the type.
CREATE FUNCTION outbox_fingerprint(p_type text, p_code text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'outbox:' || left(p_type, 180) || ':' || p_code
$$;

-- Copies rows of the outbox among the rejected ones and opens their problems, in the order in which flush() locks them.
CREATE FUNCTION reject_outbox(p_ids bigint[], p_code text[], p_message text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO outbox_rejected (source, event_id, type, key, data, ext, at, code, message, fp)
  SELECT o.source, o.event_id, o.type, o.key, o.data, o.ext, o.at, r.code, r.message, outbox_fingerprint(o.type, r.code)
  FROM unnest(p_ids, p_code, p_message) AS r (id, code, message) JOIN outbox o ON o.id = r.id ORDER BY o.id;
  INSERT INTO problems AS t (fp, system, code, title)
  SELECT DISTINCT ON (n.fp) n.fp, 'outbox', n.code, n.title
  FROM (SELECT outbox_fingerprint(o.type, r.code) COLLATE "C" AS fp, r.code, o.type || ': ' || r.message AS title, o.id
        FROM unnest(p_ids, p_code, p_message) AS r (id, code, message) JOIN outbox o ON o.id = r.id) n
  ORDER BY n.fp, n.id
  ON CONFLICT (fp) DO UPDATE SET last_seen = clock_timestamp(),
    title = CASE t.state WHEN 'resolved' THEN excluded.title ELSE t.title END,
    state = CASE t.state WHEN 'resolved' THEN 'open' ELSE t.state END;
END $$;

-- Moves rows out of the outbox: p_ids into the log, in this order (their columns as append() takes them), r_ids among the
-- rejected ones. All or nothing: when one of them is gone, somebody else has moved it, and nothing happens (moved =
-- false). An identity that the log has with the same data vanishes; with other data its row is rejected (conflict: its
-- place among p_ids). Only this function deletes rows here, one call at a time.
CREATE FUNCTION move_outbox(
  p_ids bigint[], p_source text, p_id text, p_type text, p_key text, p_khash integer[], p_data text, p_ext text,
  r_ids bigint[], r_code text[], r_message text[],
  OUT moved boolean, OUT prev bigint, OUT head bigint, OUT at timestamptz, OUT dup integer[], OUT conflict integer[]
) LANGUAGE plpgsql AS $$
DECLARE
  v_dup_seq bigint[];
  v_dup_same boolean[];
BEGIN
  PERFORM pg_advisory_xact_lock(('outbox'::regclass::oid::bigint << 16) | 5);
  -- outbox_pkey; a statement of its own, so that it sees what another call deleted while this one waited.
  moved := (SELECT count(*) FROM outbox o WHERE o.id = ANY (p_ids || r_ids)) = cardinality(p_ids || r_ids);
  IF NOT moved THEN RETURN; END IF;
  IF cardinality(r_ids) > 0 THEN PERFORM reject_outbox(r_ids, r_code, r_message); END IF;
  IF cardinality(p_ids) > 0 THEN
    SELECT a.prev, a.head, a.at, a.dup_ord, a.dup_seq, a.dup_same INTO prev, head, at, dup, v_dup_seq, v_dup_same
    FROM append(cardinality(p_ids), p_source, p_id, p_type, p_key, p_khash, p_data, p_ext) a;
  END IF;
  IF false = ANY (v_dup_same) THEN
    SELECT array_agg(d.ord ORDER BY d.ord) INTO conflict
    FROM unnest(dup, v_dup_seq, v_dup_same) AS d (ord, seq, same)
    JOIN outbox o ON o.id = p_ids[d.ord] JOIN events e ON e.seq = d.seq
    WHERE NOT d.same AND NOT (e.type = o.type AND e.key IS NOT DISTINCT FROM
            (string_to_array(p_key, U&'\001E', U&'\001F'))[d.ord] AND outbox_same_data(e.data, o.data));
    INSERT INTO refusals (source, id, type, code, seq)
    SELECT o.source, o.event_id, o.type, 'event.conflict', e.seq
    FROM unnest(conflict) c (ord) JOIN outbox o ON o.id = p_ids[c.ord]
    JOIN events e ON e.source = o.source AND e.id = o.event_id;
    PERFORM reject_outbox(
      array_agg(p_ids[c.ord]), array_agg('event.conflict'::text),
      array_agg('an event with this source and id, but other data, was accepted before: a new fact needs a new id'::text))
    FROM unnest(conflict) c (ord) HAVING count(*) > 0;
  END IF;
  DELETE FROM outbox o WHERE o.id = ANY (p_ids || r_ids);
END $$;

-- What a person does with a rejected row: 'retry' puts it back at the end of the outbox, with other data where p_data is
-- given; 'discard' ends it. The audit trail keeps what would be lost otherwise.
CREATE FUNCTION act_on_rejected(p_id bigint, p_verb text, p_data text, p_actor text, p_reason text)
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
            || CASE WHEN p_verb = 'discard' OR p_data IS NOT NULL THEN jsonb_build_object('data', v_row.data) ELSE '{}' END,
          CASE WHEN p_data IS NOT NULL THEN jsonb_build_object('data', p_data) END);
  RETURN true;
END $$;

-- Puts back many rejected rows, oldest first, by what is known of them; answers how many.
CREATE FUNCTION retry_rejected(p_type text, p_code text, p_upto bigint, p_limit integer, p_actor text, p_reason text)
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
    IF act_on_rejected(v_id, 'retry', NULL, p_actor, p_reason) THEN v_done := v_done + 1; END IF;
  END LOOP;
  RETURN v_done;
END $$;
