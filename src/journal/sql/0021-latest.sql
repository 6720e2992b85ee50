-- Of snapshots ('latest'): what replaces an older one, and what a claim may not take.

-- It may be an echo of our own write: it tells of what is there already, and takes nobody's place.
ALTER TABLE runs ADD COLUMN echo boolean;

-- As in 0012, and now an echo, or what may yet turn out to be one, is not the newest.
-- Of the open runs of one flow and key only the newest is wanted. Older ones whose outcome is known end as superseded, and
-- so do those in doubt once what was sent has surely landed (p_settle_ms later): before, it could land on top of the newer.
-- A parked one in doubt is due at that moment, to be looked at again. Runs that have begun steps are left to end.
CREATE OR REPLACE FUNCTION supersede_older(p_grp text, p_key text, p_flow smallint, p_settle_ms double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_newest bigint;
  v_settle interval := p_settle_ms * interval '1 ms';
  v_settled timestamptz := clock_timestamp() - v_settle;
BEGIN
  SELECT max(r.seq) INTO v_newest FROM runs r              -- runs_open_by_lane
  WHERE r.grp = p_grp AND r.key = p_key AND r.state IN (1, 2) AND r.flow = p_flow AND r.gen = 0 AND r.echo IS NOT TRUE;
  IF v_newest IS NULL THEN RETURN; END IF;
  UPDATE runs r
  SET state = 12, ended_at = clock_timestamp(), next_at = NULL, awaits = NULL,
      reason = 'a newer snapshot, seq ' || v_newest || ', took its place'
  WHERE r.grp = p_grp AND r.key = p_key AND r.state IN (1, 2, 4) AND r.flow = p_flow AND r.gen = 0 AND r.seq < v_newest
    AND coalesce(r.maybe_at, '-infinity') <= v_settled AND NOT r.compensating
    AND NOT EXISTS (SELECT FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen);
  UPDATE runs r
  SET awaits = 'settle', next_at = r.maybe_at + v_settle,
      reason = 'a newer snapshot, seq ' || v_newest || ', takes its place once nothing can be under way any more'
  WHERE r.grp = p_grp AND r.key = p_key AND r.state = 4 AND r.flow = p_flow AND r.gen = 0 AND r.seq < v_newest
    AND r.maybe_at > v_settled AND r.awaits IS NULL AND NOT r.compensating;
END $$;

-- One that may still land waits where a newer one may have been sent: sent again, it would come after it. Where the newer
-- was surely not sent it goes on, for that is how its outcome becomes known soonest.
CREATE FUNCTION hold_older(p_grp text, p_key text, p_flow smallint, p_settle_ms double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_newest bigint;
  v_settle interval := p_settle_ms * interval '1 ms';
BEGIN
  SELECT max(r.seq) INTO v_newest FROM runs r              -- runs_open_by_lane
  WHERE r.grp = p_grp AND r.key = p_key AND r.state IN (1, 2) AND r.flow = p_flow AND r.gen = 0 AND r.echo IS NOT TRUE
    AND r.maybe_at IS NOT NULL;
  IF v_newest IS NULL THEN RETURN; END IF;
  UPDATE runs r
  SET state = 1, awaits = 'settle', next_at = r.maybe_at + v_settle,
      reason = 'a newer snapshot, seq ' || v_newest || ', takes its place once nothing can be under way any more'
  WHERE r.grp = p_grp AND r.key = p_key AND r.state IN (1, 2) AND r.flow = p_flow AND r.gen = 0 AND r.seq < v_newest
    AND r.maybe_at > clock_timestamp() - v_settle AND NOT r.compensating
    AND NOT EXISTS (SELECT FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen);
END $$;

-- Before a claim of these lanes: of these flows ends what a newer snapshot replaces, all of it, for the claim sees only as
-- many runs, and bytes, of a lane as it may take. Answers the keys as they came: the claim is made of them.
CREATE FUNCTION replace_older(
  p_grp text, p_part integer, p_epoch bigint, p_keys text[], p_again boolean, p_flows smallint[], p_settle_ms double precision[]
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  v_due text[];
  v_changed text[] := '{}';
  v_lane record;
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch);
  SELECT array_agg(d.key) INTO v_due FROM (
    SELECT l.key FROM lanes l WHERE l.grp = p_grp AND l.key = ANY (p_keys) AND (l.next_at <= clock_timestamp() OR p_again)
    ORDER BY l.key FOR UPDATE
  ) d;
  FOR v_lane IN
    SELECT r.key, r.flow, max(f.settle) AS settle
    FROM unnest(p_flows, p_settle_ms) AS f (flow, settle)
    JOIN runs r ON r.grp = p_grp AND r.key = ANY (v_due) AND r.state < 10 AND r.flow = f.flow AND r.gen = 0   -- runs_open_by_lane
    GROUP BY r.key, r.flow HAVING count(*) > 1             -- mostly none: a flush has replaced the older ones
  LOOP
    PERFORM supersede_older(p_grp, v_lane.key, v_lane.flow, v_lane.settle);
    PERFORM hold_older(p_grp, v_lane.key, v_lane.flow, v_lane.settle);
    v_changed := v_changed || v_lane.key;
  END LOOP;
  IF v_changed <> '{}' THEN PERFORM settle_lanes(p_grp, v_changed); END IF;
  RETURN p_keys;
END $$;

-- As in 0012, and now a run says whether it may be an echo.
-- Runs with rows, in lanes that are locked. A run's place in its lane may become known later, and where only the
-- newest of a key counts (those rows say how soon what was sent has landed), older ones end.
CREATE OR REPLACE FUNCTION write_runs(p_grp text, p_runs json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO runs AS t (flow, seq, gen, state, system, tries, attempts, first_at, ended_at, ms, status, holds, phase, ord, khash,
                         lord, grp, key, maybe_at, next_at, throttles, conflicts, crashes, code, message, fp, reason, compensating, awaits, echo)
  SELECT DISTINCT ON (r.flow, r.seq, r.gen) r.flow, r.seq, r.gen, r.state, r.system, r.tries, r.attempts, to_timestamp(r."firstAt" / 1000),
         CASE WHEN r.state >= 10 THEN clock_timestamp() END, r.ms, r.status, r.holds, r.phase, r.ord, r.khash, r.lord,
         p_grp, r.key, to_timestamp(r."maybeAt" / 1000),
         clock_timestamp() + CASE WHEN r.state = 2 THEN coalesce(r."nextInMs", 0) WHEN r.awaits IS NOT NULL THEN r."nextInMs" END
           * interval '1 ms',
         r.throttles, r.conflicts, r.crashes, r.code, r.message, r.fp, r.reason, coalesce(r.compensating, false), r.awaits, r.echo
  FROM ROWS FROM (json_to_recordset(p_runs) AS (
    flow smallint, seq bigint, gen smallint, state smallint, system smallint, tries integer, attempts integer, "firstAt" double precision,
    ms integer, status smallint, holds boolean, phase smallint, ord smallint, khash integer, lord bigint, key text,
    "maybeAt" double precision, "nextInMs" double precision, throttles smallint, conflicts smallint, crashes smallint,
    code text, message text, fp text, reason text, compensating boolean, awaits text, echo boolean)) WITH ORDINALITY AS r (
    flow, seq, gen, state, system, tries, attempts, "firstAt", ms, status, holds, phase, ord, khash, lord, key,
    "maybeAt", "nextInMs", throttles, conflicts, crashes, code, message, fp, reason,
    compensating, awaits, echo, place)
  ORDER BY r.flow, r.seq, r.gen, r.place DESC
  ON CONFLICT (flow, seq, gen) DO UPDATE SET
    state = excluded.state, system = excluded.system, tries = excluded.tries, attempts = excluded.attempts,
    first_at = coalesce(t.first_at, excluded.first_at), ended_at = excluded.ended_at, ms = excluded.ms,
    status = excluded.status, holds = excluded.holds, phase = excluded.phase, maybe_at = excluded.maybe_at,
    next_at = excluded.next_at, throttles = excluded.throttles, conflicts = excluded.conflicts,
    crashes = excluded.crashes, code = excluded.code, message = excluded.message, fp = excluded.fp, reason = excluded.reason,
    compensating = excluded.compensating, awaits = excluded.awaits, lord = excluded.lord, echo = excluded.echo
  WHERE t.state = 3;
  IF position('"settleMs"' IN p_runs::text) = 0 THEN RETURN; END IF;   -- most flows: spares them reading all rows again
  PERFORM supersede_older(p_grp, n.key, n.flow, n.settle)
  FROM (SELECT r.key, r.flow, max(r."settleMs") AS settle
        FROM json_to_recordset(p_runs) AS r (key text, flow smallint, "settleMs" double precision)
        WHERE r."settleMs" IS NOT NULL GROUP BY r.key, r.flow) n;
END $$;
