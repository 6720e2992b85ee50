-- Problems: what they are called, how many wait for a system, and their levels apart from their states.

-- As a person reads it: a system that is cut off by its label, as on its page.
CREATE FUNCTION problem_title(p problems) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p.fp = 'system:' || p.system AND starts_with(p.title, p.system || ' ')
    THEN coalesce((SELECT upper(left(l.label, 1)) || substr(l.label, 2)
                   FROM (SELECT coalesce(s.settings ->> 'label', s.name) AS label FROM systems s WHERE s.name = p.system) l), p.system)
         || substr(p.title, length(p.system) + 1)
    ELSE p.title END;
$$;

-- As in 0027, without the levels: those are counted over many rows, and what this locks a flush may want.
CREATE OR REPLACE FUNCTION settle_problems() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE problems p SET state = 'open', back_at = clock_timestamp(), back_from = 'ignored'
  FROM (SELECT p.fp FROM problems p WHERE p.state = 'ignored' AND p.ignored_until <= clock_timestamp() FOR UPDATE OF p SKIP LOCKED) past
  WHERE p.fp = past.fp;
  UPDATE problems p SET state = 'resolved'
  FROM (SELECT p.fp FROM problems p
        WHERE p.state IN ('open', 'acknowledged') AND p.fp NOT LIKE '%:%' AND p.code <> 'link.conflict'
          AND p.last_seen < clock_timestamp() - interval '2 s'
          AND NOT EXISTS (SELECT FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10)
        FOR UPDATE OF p SKIP LOCKED) past
  WHERE p.fp = past.fp;
  UPDATE problems p SET state = 'open'
  FROM (SELECT p.fp FROM problems p                        -- problems_resolved
        WHERE p.state = 'resolved' AND p.resolved_at > clock_timestamp() - interval '10 min' AND p.fp NOT LIKE '%:%'
          AND EXISTS (SELECT FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10)
        FOR UPDATE OF p SKIP LOCKED) again
  WHERE p.fp = again.fp;
END $$;

-- How many runs of each problem are open, of the 100 last seen, counted up to 1,000; of a system that is cut off, those that
-- need it next. One process at a time, and all is counted before the first row is written, since a flush that brings a
-- problem writes its level, too. In the order in which flushes write problems, and with them their levels.
CREATE FUNCTION note_levels() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_fps text[];
  v_open integer[];
BEGIN
  IF NOT pg_try_advisory_xact_lock(('problem_levels'::regclass::oid::bigint << 16) | 6) THEN RETURN; END IF;
  SELECT array_agg(p.fp ORDER BY p.fp), array_agg(c.open ORDER BY p.fp) INTO v_fps, v_open
  FROM (SELECT p.fp, p.system FROM problems p WHERE p.state IN ('open', 'acknowledged', 'ignored') ORDER BY p.last_seen DESC LIMIT 100) p
  CROSS JOIN LATERAL (
    SELECT CASE WHEN p.fp = 'system:' || p.system
      THEN (SELECT count(*) FROM (
              SELECT FROM systems s CROSS JOIN unnest(ARRAY[1, 2, 3]::smallint[]) AS w (state)     -- runs_open_by_system
              JOIN runs r ON r.system = s.id AND r.state = w.state AND r.state < 10 WHERE s.name = p.system LIMIT 1000) w)
      ELSE (SELECT count(*) FROM (SELECT FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT 1000) w)
    END AS open
  ) c WHERE c.open > 0;
  DELETE FROM problem_levels l WHERE l.at < clock_timestamp() - interval '25 h';
  PERFORM note_level(l.fp, l.open) FROM unnest(v_fps, v_open) AS l (fp, open);
END $$;
