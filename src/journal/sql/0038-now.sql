-- Open runs of a flow that cannot go on with what is registered, counted up to p_most, as in 0018, but without a look at
-- the steps of each open run: a step that the flow does not have any more, or has as something else, began while another
-- declaration was run, so the event of its run was accepted before that ended. Most deployments change no step that was
-- there, and most open runs are younger than the last that did. Of those that are not, as many of each state are looked at
-- as are counted, the oldest first: 10,000 took 28 ms, and were all waiting ones behind those that had begun.
CREATE OR REPLACE FUNCTION stranded_runs(p_flow smallint, p_most integer) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_steps text[];
  v_declared jsonb[];
  v_fps text[];
  v_until timestamptz;
  v_below bigint;
  v_parked bigint := 0;
BEGIN
  SELECT ARRAY(SELECT d.step FROM declared_steps(f.declaration) d),
         ARRAY(SELECT jsonb_build_array(d.step, d.began) FROM declared_steps(f.declaration) d)
  INTO v_steps, v_declared FROM flows f WHERE f.id = p_flow AND f.version > 1;
  IF NOT FOUND THEN RETURN 0; END IF;

  -- Those that are parked for it have a problem. Lateral, so that they are looked up by it: runs_open_by_problem.
  v_fps := ARRAY(SELECT p.fp FROM problems p WHERE p.state IN ('open', 'acknowledged', 'ignored') AND p.code = 'flow.changed');
  IF v_fps <> '{}' THEN
    SELECT count(*) INTO v_parked FROM (
      SELECT FROM unnest(v_fps) AS p (fp)
      CROSS JOIN LATERAL (
        SELECT r.flow, r.code FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state = 4 AND r.state < 10 LIMIT 10000
      ) r
      WHERE r.flow = p_flow AND r.code = 'flow.changed' LIMIT p_most
    ) c;
  END IF;

  SELECT max(a.until) INTO v_until FROM (
    SELECT max(coalesce(a.until, 'infinity')) AS until, (array_agg(a.declaration))[1] AS declaration
    FROM flow_adoptions a WHERE a.flow = p_flow GROUP BY a.version
  ) a
  WHERE EXISTS (SELECT FROM declared_steps(a.declaration) d WHERE jsonb_build_array(d.step, d.began) <> ALL (v_declared));
  IF v_until IS NULL THEN RETURN v_parked; END IF;
  v_below := seq_at(v_until + interval '1 min');           -- the database's clock may have been set meanwhile

  RETURN v_parked + (SELECT count(*) FROM (
    SELECT FROM unnest('{1, 2, 3, 4}'::smallint[]) AS w (state)
    CROSS JOIN LATERAL (
      SELECT * FROM runs r                                 -- runs_open_by_state
      WHERE r.flow = p_flow AND r.state = w.state AND r.state < 10 AND r.seq < v_below ORDER BY r.seq LIMIT p_most
    ) r
    WHERE (r.state <> 4 OR r.code IS DISTINCT FROM 'flow.changed') AND EXISTS (
      SELECT FROM steps s WHERE s.flow = p_flow AND s.seq = r.seq AND s.gen = r.gen
        AND (s.step <> ALL (v_steps) OR s.began IS NOT NULL AND (s.state < 10 OR r.compensating)))
    LIMIT p_most - v_parked) c);
END $$;

-- Every flow in force: whether a live worker runs it (null: nobody lives who would say), and how many of its runs cannot go on.
CREATE FUNCTION flow_deployments(p_most integer)
RETURNS TABLE (id smallint, name text, deployed boolean, stranded bigint) LANGUAGE sql STABLE AS $$
  WITH live AS MATERIALIZED (
    SELECT w.flows FROM workers w WHERE NOT w.dead AND w.lease_until >= clock_timestamp()
  )
  SELECT f.id, f.name,
         CASE WHEN EXISTS (SELECT FROM live) THEN EXISTS (SELECT FROM live l WHERE l.flows IS NULL OR f.id = ANY (l.flows)) END,
         stranded_runs(f.id, p_most)
  FROM flows f WHERE NOT f.removed ORDER BY f.name;
$$;

-- The same, its open runs, and whether events wait for it. The control API counts both anyway, and asks for the above.
CREATE OR REPLACE FUNCTION flow_standings(p_most integer)
RETURNS TABLE (id smallint, name text, deployed boolean, open bigint, pending boolean, stranded bigint) LANGUAGE sql STABLE AS $$
  SELECT d.id, d.name, d.deployed,
         (SELECT count(*) FROM (SELECT FROM runs r WHERE r.flow = d.id AND r.state IN (1, 2, 3, 4) LIMIT p_most) c),
         EXISTS (SELECT FROM positions p WHERE p.flow = d.id AND has_pending(d.id, f.types, p.position)),
         d.stranded
  FROM flow_deployments(p_most) d JOIN flows f ON f.id = d.id ORDER BY d.name;
$$;
