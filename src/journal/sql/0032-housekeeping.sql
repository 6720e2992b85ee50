-- What is forgotten after a time, so that what is written for people to look at does not grow for ever. Events, runs,
-- steps, attempts, cross-references and the audit trail are never touched here.

-- The row is the lock: one process at a time clears up, and nobody waits for it.
CREATE TABLE housekeeping (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  swept_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO housekeeping DEFAULT VALUES;

-- Clears up at most once a minute, of each table at most so many rows, the oldest first: what was left behind for months
-- goes in small transactions. Answers how many rows went; null: it is not due, or another process does it. It touches no
-- row that anybody still writes (minutes of 35 days ago, the dead, what has been over for 90 days), and locks in one order.
CREATE FUNCTION keep_house(p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_minute timestamptz := clock_timestamp() - interval '35 days';
  v_gone integer := 0;
  v_count integer;
  v_ids text[];
BEGIN
  PERFORM FROM housekeeping h WHERE h.swept_at < clock_timestamp() - interval '1 min' FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN NULL; END IF;
  UPDATE housekeeping SET swept_at = clock_timestamp();

  DELETE FROM stats WHERE ctid = ANY (ARRAY(                                       -- primary key
    SELECT s.ctid FROM stats s WHERE s.minute < v_minute ORDER BY s.minute LIMIT p_most));
  GET DIAGNOSTICS v_count = ROW_COUNT; v_gone := v_gone + v_count;
  DELETE FROM system_minutes WHERE ctid = ANY (ARRAY(                              -- primary key, by system
    SELECT m.ctid FROM systems s CROSS JOIN LATERAL (
      SELECT t.ctid FROM system_minutes t WHERE t.system = s.id AND t.minute < v_minute ORDER BY t.minute LIMIT p_most) m
    LIMIT p_most));
  GET DIAGNOSTICS v_count = ROW_COUNT; v_gone := v_gone + v_count;
  DELETE FROM run_minutes WHERE ctid = ANY (ARRAY(                                 -- primary key, by flow
    SELECT m.ctid FROM flows f CROSS JOIN LATERAL (
      SELECT t.ctid FROM run_minutes t WHERE t.flow = f.id AND t.minute < v_minute ORDER BY t.minute LIMIT p_most) m
    LIMIT p_most));
  GET DIAGNOSTICS v_count = ROW_COUNT; v_gone := v_gone + v_count;
  DELETE FROM refusals WHERE ctid = ANY (ARRAY(                                    -- refusals_by_time
    SELECT r.ctid FROM refusals r WHERE r.at < v_minute ORDER BY r.at LIMIT p_most));
  GET DIAGNOSTICS v_count = ROW_COUNT; v_gone := v_gone + v_count;

  -- Workers that died a week ago, unless something is still theirs. One that was only asleep meets no row and may do
  -- nothing, as if it had left.
  SELECT array_agg(w.id) INTO v_ids FROM workers w
  WHERE w.dead AND w.dead_at < clock_timestamp() - interval '7 days'
    AND NOT EXISTS (SELECT FROM lane_groups g WHERE g.owner = w.id);
  DELETE FROM permits p WHERE p.worker = ANY (v_ids);
  DELETE FROM workers w WHERE w.id = ANY (v_ids);
  GET DIAGNOSTICS v_count = ROW_COUNT; v_gone := v_gone + v_count;

  -- Problems of which each object or replay has its own; those of a cause come back, and are remembered. What a person has
  -- written to one stays.
  SELECT array_agg(p.fp) INTO v_ids FROM (
    SELECT o.fp FROM problems o                                                    -- problems_resolved
    WHERE o.state = 'resolved' AND o.resolved_at < clock_timestamp() - interval '90 days'
      AND (o.fp LIKE 'expected:%' OR o.fp LIKE 'replay:%' OR o.code = 'link.conflict')
      AND o.owner IS NULL AND o.note IS NULL AND o.runbook IS NULL
    ORDER BY o.resolved_at LIMIT p_most FOR UPDATE SKIP LOCKED) p;
  DELETE FROM problem_times t WHERE t.fp = ANY (v_ids);
  DELETE FROM alert_standings s WHERE s.fp = ANY (v_ids);
  DELETE FROM problems p WHERE p.fp = ANY (v_ids);
  GET DIAGNOSTICS v_count = ROW_COUNT; v_gone := v_gone + v_count;
  RETURN v_gone;
END $$;

-- As in 0029, and forgets nothing: two workers that did could each hold what the other wanted next.
CREATE OR REPLACE FUNCTION write_minutes(p_worker text, p_systems json, p_runs json) RETURNS void LANGUAGE sql AS $$
  INSERT INTO system_minutes AS t (system, minute, worker, calls, failed, total_ms, hist)
  SELECT s.system, to_timestamp(s.minute * 60), p_worker, s.calls, s.failed, s."totalMs", s.hist
  FROM json_to_recordset(p_systems) AS s (system smallint, minute bigint, calls integer, failed integer, "totalMs" bigint, hist integer[])
  ON CONFLICT (system, minute, worker) DO UPDATE SET calls = t.calls + excluded.calls, failed = t.failed + excluded.failed,
    total_ms = t.total_ms + excluded.total_ms, hist = add_each(t.hist, excluded.hist);
  INSERT INTO run_minutes AS t (flow, minute, worker, finished, parked)
  SELECT r.flow, to_timestamp(r.minute * 60), p_worker, r.finished, r.parked
  FROM json_to_recordset(p_runs) AS r (flow smallint, minute bigint, finished integer, parked integer)
  ON CONFLICT (flow, minute, worker) DO UPDATE SET finished = t.finished + excluded.finished, parked = t.parked + excluded.parked;
$$;
