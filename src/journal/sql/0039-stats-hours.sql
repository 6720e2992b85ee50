-- The statistics of a week are added up from hours: from minutes they are 300,000 rows where there are 30 a minute. Hours
-- follow minutes, whoever writes those, and are those of UTC, whatever zone a session has.
CREATE TABLE stats_hours (
  hour     timestamptz,
  flow     smallint,
  system   smallint,
  outcome  text,
  worker   text,
  count    bigint NOT NULL,
  total_ms bigint NOT NULL,
  max_ms   integer NOT NULL,
  PRIMARY KEY (hour, flow, system, outcome, worker)
);
INSERT INTO stats_hours (hour, flow, system, outcome, worker, count, total_ms, max_ms)
SELECT date_bin('1 hour', s.minute, 'epoch'), s.flow, s.system, s.outcome, s.worker, sum(s.count), sum(s.total_ms), max(s.max_ms)
FROM stats s GROUP BY 1, 2, 3, 4, 5;

CREATE FUNCTION add_to_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO stats_hours AS t (hour, flow, system, outcome, worker, count, total_ms, max_ms)
  VALUES (date_bin('1 hour', NEW.minute, 'epoch'), NEW.flow, NEW.system, NEW.outcome, NEW.worker,
          NEW.count - coalesce(OLD.count, 0), NEW.total_ms - coalesce(OLD.total_ms, 0), NEW.max_ms)
  ON CONFLICT (hour, flow, system, outcome, worker) DO UPDATE SET
    count = t.count + excluded.count, total_ms = t.total_ms + excluded.total_ms, max_ms = greatest(t.max_ms, excluded.max_ms);
  RETURN NULL;
END $$;
CREATE TRIGGER stats_by_hour AFTER INSERT OR UPDATE ON stats FOR EACH ROW EXECUTE FUNCTION add_to_hours();

-- As in 0032; hours of statistics go with their minutes.
CREATE OR REPLACE FUNCTION keep_house(p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
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
  DELETE FROM stats_hours WHERE ctid = ANY (ARRAY(                                 -- primary key
    SELECT h.ctid FROM stats_hours h WHERE h.hour < v_minute - interval '1 hour' ORDER BY h.hour LIMIT p_most));
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
