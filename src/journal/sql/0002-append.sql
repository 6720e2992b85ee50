-- append: the only writer of events. One call, several statements, because a single statement is wrong three ways:
-- its snapshot is older than its lock, a lock in an unreferenced CTE is never taken, and a sequence hands out numbers
-- before the lock. Columns come as one text each, elements separated by U+001E, which cannot occur in them (raw control
-- characters are not JSON and are refused in names): this costs the driver a join instead of quoting every element. A key
-- of U+001F is none at all.
CREATE FUNCTION append(
  p_count integer, p_source text, p_id text, p_type text, p_key text, p_khash integer[], p_data text, p_ext text,
  OUT prev bigint, OUT head bigint, OUT at timestamptz, OUT dup_ord integer[], OUT dup_seq bigint[], OUT dup_same boolean[]
) LANGUAGE plpgsql AS $$
DECLARE
  v_source text[] := string_to_array(p_source, U&'\001E');
  v_id     text[] := string_to_array(p_id, U&'\001E');
  v_type   text[] := string_to_array(p_type, U&'\001E');
  v_key    text[] := CASE WHEN p_key = '' AND p_count = 1 THEN ARRAY[''] ELSE string_to_array(p_key, U&'\001E', U&'\001F') END;
  v_data   text[] := string_to_array(p_data, U&'\001E');
  v_ext    text[] := string_to_array(p_ext, U&'\001E');
  v_stored integer;
  v_last   timestamptz;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'append needs READ COMMITTED, not %', current_setting('transaction_isolation');
  END IF;
  IF p_count <> ANY (ARRAY[cardinality(v_source), cardinality(v_id), cardinality(v_type), cardinality(v_key),
                           cardinality(p_khash), cardinality(v_data), cardinality(v_ext)]) THEN
    RAISE EXCEPTION 'append got columns of unequal length' USING ERRCODE = '22023';
  END IF;
  PERFORM pg_advisory_xact_lock(('events'::regclass::oid::bigint << 16) | 1);
  SELECT e.seq, e.received_at INTO prev, v_last FROM events e ORDER BY e.seq DESC LIMIT 1;
  prev := coalesce(prev, 0);
  at := greatest(clock_timestamp(), v_last);   -- the machine's clock may be set back; received_at never falls along seq
  INSERT INTO events (seq, source, id, type, key, khash, received_at, data, ext)
  SELECT prev + b.ord, b.source, b.id, b.type, b.key, b.khash, at, b.data, b.ext
  FROM unnest(v_source, v_id, v_type, v_key, p_khash, v_data, v_ext)
       WITH ORDINALITY AS b (source, id, type, key, khash, data, ext, ord)
  ORDER BY b.ord
  ON CONFLICT (source, id) DO NOTHING;
  GET DIAGNOSTICS v_stored = ROW_COUNT;
  head := prev + p_count;
  IF v_stored = p_count THEN RETURN; END IF;
  -- A new statement, so that it sees what another append committed while this one waited for the lock.
  SELECT array_agg(b.ord), array_agg(e.seq),
         array_agg(e.data = b.data AND e.type = b.type AND e.key IS NOT DISTINCT FROM b.key)
  INTO dup_ord, dup_seq, dup_same
  FROM unnest(v_source, v_id, v_type, v_key, v_data) WITH ORDINALITY AS b (source, id, type, key, data, ord)
  CROSS JOIN LATERAL (SELECT * FROM events e WHERE e.source = b.source AND e.id = b.id) e
  WHERE e.seq <> prev + b.ord;
  head := coalesce((SELECT max(e.seq) FROM events e), 0);
END $$;
