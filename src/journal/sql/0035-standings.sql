-- Whether events wait for a flow, asked of a log that grows: both sides are ranges of the primary keys from the position on,
-- so that statistics of a young table, which know of no runs, cannot make it read all runs of the flow.
CREATE FUNCTION has_pending(p_flow smallint, p_types text[], p_position bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH ahead AS MATERIALIZED (
    SELECT e.seq, e.type FROM events e WHERE e.seq > p_position ORDER BY e.seq LIMIT 2000
  ), had AS MATERIALIZED (
    SELECT r.seq FROM runs r
    WHERE r.flow = p_flow AND r.seq > p_position AND r.seq <= (SELECT max(a.seq) FROM ahead a) AND r.gen = 0
  )
  SELECT EXISTS (
    SELECT FROM ahead a LEFT JOIN had h ON h.seq = a.seq WHERE a.type = ANY (p_types) AND h.seq IS NULL
  );
$$;

CREATE OR REPLACE FUNCTION flow_standings(p_most integer)
RETURNS TABLE (id smallint, name text, deployed boolean, open bigint, pending boolean, stranded bigint) LANGUAGE sql STABLE AS $$
  WITH live AS MATERIALIZED (
    SELECT w.flows FROM workers w WHERE NOT w.dead AND w.lease_until >= clock_timestamp()
  )
  SELECT f.id, f.name,
         CASE WHEN EXISTS (SELECT FROM live) THEN EXISTS (SELECT FROM live l WHERE l.flows IS NULL OR f.id = ANY (l.flows)) END,
         (SELECT count(*) FROM (SELECT FROM runs r WHERE r.flow = f.id AND r.state IN (1, 2, 3, 4) LIMIT p_most) c),
         EXISTS (SELECT FROM positions p WHERE p.flow = f.id AND has_pending(f.id, f.types, p.position)),
         stranded_runs(f.id, p_most)
  FROM flows f WHERE NOT f.removed ORDER BY f.name;
$$;
