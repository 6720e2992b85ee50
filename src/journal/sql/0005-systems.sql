-- Limits and breakers that hold over all workers.

-- Generic cell rate algorithm on one row: n requests are reserved at once, or none. Answers 0 when they were, else the
-- milliseconds until it may be asked again.
CREATE FUNCTION reserve_rate(p_system smallint, p_tokens integer, p_interval_ms double precision, p_burst_ms double precision)
RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz;
  v_tat timestamptz;
  v_cost interval := p_tokens * p_interval_ms * interval '1 ms';
BEGIN
  SELECT s.tat INTO v_tat FROM systems s WHERE s.id = p_system FOR UPDATE;
  v_now := clock_timestamp();
  v_tat := greatest(v_tat, v_now) + v_cost;
  IF v_tat > v_now + p_burst_ms * interval '1 ms' THEN
    RETURN greatest(1, extract(epoch FROM v_tat - v_now)::double precision * 1000 - p_burst_ms);
  END IF;
  UPDATE systems SET tat = v_tat WHERE id = p_system;
  RETURN 0;
END $$;

-- How many attempts this worker may run at once. Under the system's row lock the sum over workers never exceeds the
-- limit. A dead worker's permits count until its last attempts must have ended; it gets none itself, nor does one that
-- has left, since nobody would take them back.
CREATE FUNCTION set_permits(
  p_system smallint, p_worker text, p_want integer, p_limit integer, p_timeout_ms double precision,
  OUT granted integer, OUT others_waiting integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_others integer;
  v_lives boolean;
BEGIN
  PERFORM 1 FROM systems WHERE id = p_system FOR UPDATE;
  DELETE FROM permits p USING workers w
  WHERE p.system = p_system AND w.id = p.worker AND w.dead
    AND w.lease_until + p_timeout_ms * interval '1 ms' < clock_timestamp();
  PERFORM 1 FROM workers w WHERE w.id = p_worker AND NOT w.dead FOR KEY SHARE;
  v_lives := FOUND;
  SELECT coalesce(sum(n), 0), count(*) FILTER (WHERE waits) INTO v_others, others_waiting
  FROM permits WHERE system = p_system AND worker <> p_worker;
  granted := CASE WHEN v_lives THEN greatest(0, least(p_want, p_limit - v_others)) ELSE 0 END;
  IF NOT v_lives THEN RETURN; END IF;
  INSERT INTO permits (system, worker, n, waits) VALUES (p_system, p_worker, granted, granted < p_want)
  ON CONFLICT (system, worker) DO UPDATE SET n = excluded.n, waits = excluded.waits;
END $$;

CREATE FUNCTION open_breaker(p_system smallint, p_reason text, p_probe_ms double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_name text;
BEGIN
  UPDATE systems
  SET breaker = 'open', reason = p_reason, probe_at = clock_timestamp() + p_probe_ms * interval '1 ms', probe_by = NULL,
      changed_at = CASE breaker WHEN 'closed' THEN clock_timestamp() ELSE changed_at END, version = version + 1
  WHERE id = p_system RETURNING name INTO v_name;
  INSERT INTO problems AS t (fp, system, code, title)
  VALUES ('system:' || v_name, v_name, 'system.cut-off', p_reason)
  ON CONFLICT (fp) DO UPDATE SET last_seen = clock_timestamp(), title = excluded.title,
    first_seen = CASE t.state WHEN 'resolved' THEN clock_timestamp() ELSE t.first_seen END,
    state = CASE t.state WHEN 'resolved' THEN 'open' ELSE t.state END;
END $$;

CREATE FUNCTION close_breaker(p_system smallint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_name text;
BEGIN
  UPDATE systems SET breaker = 'closed', reason = NULL, probe_at = NULL, probe_by = NULL, probe_until = NULL,
    changed_at = clock_timestamp(), version = version + 1
  WHERE id = p_system AND breaker <> 'closed' RETURNING name INTO v_name;
  UPDATE problems SET state = 'resolved' WHERE fp = 'system:' || v_name AND state <> 'resolved';
END $$;

-- One probe at a time over all workers, by compare-and-set with an expiry.
CREATE FUNCTION try_probe(p_system smallint, p_worker text, p_timeout_ms double precision) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE systems
  SET breaker = 'probing', probe_by = p_worker, probe_until = clock_timestamp() + p_timeout_ms * interval '1 ms', version = version + 1
  WHERE id = p_system AND (breaker = 'open' AND probe_at <= clock_timestamp()
                           OR breaker = 'probing' AND probe_until < clock_timestamp());
  RETURN FOUND;
END $$;
