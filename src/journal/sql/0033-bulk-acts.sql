-- Acts on many runs: of an object, and of runs that are being undone.

-- It was being undone when it was begun.
ALTER TABLE bulk_items ADD undoes boolean NOT NULL DEFAULT false;
UPDATE bulk_items i SET undoes = true FROM bulk_acts b WHERE b.id = i.act AND b.verb = 'compensate' AND i.outcome IN ('begun', 'held');

-- As in 0027: stores a selection of open runs, in log order, and what it would do. A key is looked up once, with the runs of
-- its events, not for each open run. p: problem; or runs [{flow, seq, generation}]; or flow,
-- system, key, fromSeq, toSeq (without); states. Answers no id where nothing fits, or more than p_max, and stores nothing then.
CREATE OR REPLACE FUNCTION plan_bulk_act(
  p_verb text, p jsonb, p_shown jsonb, p_ramp integer[], p_max_errors double precision, p_max integer, p_actor text, p_reason text,
  OUT id bigint, OUT total integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_fp text := p ->> 'problem';
  v_states smallint[] := ARRAY(SELECT jsonb_array_elements_text(p -> 'states')::smallint);
  v_flow smallint := (SELECT f.id FROM flows f WHERE f.name = p ->> 'flow');
  v_system smallint := (SELECT s.id FROM systems s WHERE s.name = coalesce(p ->> 'system', CASE WHEN v_fp LIKE 'system:%' THEN substr(v_fp, 8) END));
BEGIN
  DELETE FROM bulk_acts b WHERE b.state = 'planned' AND b.created_at < clock_timestamp() - interval '7 days'
    OR b.state IN ('done', 'cancelled') AND b.created_at < clock_timestamp() - interval '90 days';
  INSERT INTO bulk_acts (verb, fp, selection, max_errors, ramp, created_by, reason)
  VALUES (p_verb, v_fp, p_shown, p_max_errors, p_ramp, p_actor, p_reason) RETURNING bulk_acts.id INTO id;
  INSERT INTO bulk_items (act, place, flow, seq, gen, state, fp)
  SELECT plan_bulk_act.id, row_number() OVER (ORDER BY s.seq, s.flow, s.gen), s.flow, s.seq, s.gen, s.state, s.fp
  FROM (
    SELECT r.flow, r.seq, r.gen, r.state, r.fp FROM unnest(v_states) AS w (state)                  -- runs_open_by_problem
    JOIN runs r ON r.fp = v_fp AND r.fp IS NOT NULL AND r.state = w.state AND r.state < 10
    WHERE v_fp NOT LIKE 'system:%'
    UNION ALL
    SELECT r.flow, r.seq, r.gen, r.state, r.fp FROM jsonb_to_recordset(p -> 'runs') AS g (flow text, seq bigint, generation smallint)
    JOIN flows f ON f.name = g.flow JOIN runs r ON r.flow = f.id AND r.seq = g.seq AND r.gen = g.generation
    WHERE r.state = ANY (v_states)
    UNION ALL
    SELECT r.flow, r.seq, r.gen, r.state, r.fp FROM unnest(v_states) AS w (state)                  -- runs_open_by_system
    JOIN runs r ON r.system = v_system AND r.state = w.state AND r.state < 10
    WHERE v_system IS NOT NULL AND NOT p ?| ARRAY['runs', 'key']
      AND (NOT p ? 'flow' OR r.flow = v_flow)
      AND (NOT p ? 'fromSeq' OR r.seq >= (p ->> 'fromSeq')::bigint) AND (NOT p ? 'toSeq' OR r.seq < (p ->> 'toSeq')::bigint)
    UNION ALL
    SELECT r.flow, r.seq, r.gen, r.state, r.fp FROM flows f CROSS JOIN unnest(v_states) AS w (state)  -- runs_open_by_state
    JOIN runs r ON r.state = w.state AND r.state < 10 AND r.flow = f.id
    WHERE NOT p ?| ARRAY['runs', 'problem', 'system', 'key'] AND (NOT p ? 'flow' OR f.id = v_flow)
      AND (NOT p ? 'fromSeq' OR r.seq >= (p ->> 'fromSeq')::bigint) AND (NOT p ? 'toSeq' OR r.seq < (p ->> 'toSeq')::bigint)
    UNION ALL
    SELECT r.flow, r.seq, r.gen, r.state, r.fp FROM events e                                       -- events_by_key
    CROSS JOIN flows f JOIN runs r ON r.flow = f.id AND r.seq = e.seq                              -- primary key
    WHERE e.key = p ->> 'key' AND r.state = ANY (v_states) AND r.state < 10
      AND (NOT p ? 'flow' OR r.flow = v_flow) AND (NOT p ? 'system' OR r.system = v_system)
      AND (NOT p ? 'fromSeq' OR r.seq >= (p ->> 'fromSeq')::bigint) AND (NOT p ? 'toSeq' OR r.seq < (p ->> 'toSeq')::bigint)
    LIMIT p_max + 1
  ) s;
  GET DIAGNOSTICS total = ROW_COUNT;
  IF total NOT BETWEEN 1 AND p_max THEN
    RAISE EXCEPTION 'nothing, or too much' USING ERRCODE = 'BB004';
  END IF;
  UPDATE bulk_acts b SET total = plan_bulk_act.total, stage_end = least(plan_bulk_act.total, coalesce(p_ramp[1], plan_bulk_act.total)), plan = bulk_plan(b.id)
  WHERE b.id = plan_bulk_act.id;
  PERFORM audit_bulk(b, 'plan', p_actor, p_reason, jsonb_build_object('runs', plan_bulk_act.total, 'selection', p_shown))
  FROM bulk_acts b WHERE b.id = plan_bulk_act.id;
EXCEPTION WHEN SQLSTATE 'BB004' THEN
  id := NULL;
END $$;

-- As in 0027, and: a retry of a run that is being undone is through when it is undone; a retried run that is undone instead
-- has failed. What became of the runs that were begun: also of one that is paused or cancelled, whose runs go on. Stops it when too many
-- of a stage have failed, opens the next stage when one is through, ends it when all is. A failure in the first stage always
-- stops it; later stages of n runs are judged by at least min(n, 20). What is held is not waited for.
CREATE OR REPLACE FUNCTION watch_bulk(p_act bulk_acts) RETURNS bulk_acts LANGUAGE plpgsql AS $$
DECLARE
  v bulk_acts := p_act;
  v_size integer;
  v_ok integer;
  v_bad integer;
  v_over integer;
  v_held integer;
BEGIN
  WITH seen AS (
    SELECT i.place, i.outcome AS before, r.fp, CASE
      WHEN r.state IS NULL THEN 'gone'
      WHEN r.state = 10 AND v.verb = 'retry' THEN 'succeeded'
      WHEN r.state = 13 AND i.undoes THEN 'compensated'
      WHEN r.state = 13 OR r.state < 10 AND r.compensating AND NOT i.undoes THEN 'failed'
      WHEN r.state >= 10 THEN 'moved'
      WHEN r.state = 4 AND r.awaits IS NULL OR r.state = 2 AND r.code IS NOT NULL AND r.next_at > i.begun_at
        AND (r.tries <> i.tries OR r.fp IS DISTINCT FROM i.fp AND r.throttles + r.conflicts = 0) THEN 'failed'
      WHEN r.awaits IS NOT NULL THEN 'held'
      ELSE 'begun' END AS outcome
    FROM bulk_items i                                      -- bulk_items_open
    LEFT JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen
    WHERE i.act = v.id AND i.outcome IN ('begun', 'held')
  ), told AS (
    UPDATE bulk_items i
    SET outcome = s.outcome, fp = CASE s.outcome WHEN 'failed' THEN s.fp ELSE i.fp END,
        ended_at = CASE WHEN s.outcome NOT IN ('begun', 'held') THEN clock_timestamp() END
    FROM seen s WHERE i.act = v.id AND i.place = s.place AND s.outcome <> s.before
  )
  SELECT count(*) FILTER (WHERE s.outcome IN ('succeeded', 'compensated')), count(*) FILTER (WHERE s.outcome = 'failed'),
         count(*) FILTER (WHERE s.outcome IN ('moved', 'gone')), count(*) FILTER (WHERE s.outcome = 'held')
  INTO v_ok, v_bad, v_over, v_held FROM seen s;
  v.succeeded := v.succeeded + v_ok;
  v.failed := v.failed + v_bad;
  v.moved := v.moved + v_over;
  v.open := v.open - v_ok - v_bad - v_over;
  v.stage_ran := v.stage_ran + v_ok + v_bad;
  v.stage_failed := v.stage_failed + v_bad;
  v_size := CASE WHEN v.stage <= cardinality(v.ramp) THEN least(v.total, v.ramp[v.stage]) ELSE v.total END;
  IF v.state <> 'running' THEN NULL;
  ELSIF v.open = v_held AND v.taken >= v.total THEN
    v.state := 'done';
    v.ended_at := clock_timestamp();
    v.stages := v.stages || stage_told(v);
    PERFORM audit_bulk(p_act, 'done', 'busbar', NULL,
      jsonb_build_object('state', v.state, 'succeeded', v.succeeded, 'failed', v.failed, 'moved', v.moved));
  ELSIF v.stage_failed > (CASE v.stage WHEN 1 THEN 0 ELSE v.max_errors * greatest(v.stage_ran, least(v_size, 20)) END) THEN
    v.state := 'stopped';
    v.why := v.stage_failed || ' of ' || v.stage_ran || CASE v.stage_ran WHEN 1 THEN ' run' ELSE ' runs' END || ' of stage ' || v.stage || ' failed';
    PERFORM audit_bulk(p_act, 'stop', 'busbar', v.why, jsonb_build_object('state', v.state));
  ELSIF v.open = v_held AND v.taken >= v.stage_end THEN
    v.stages := v.stages || stage_told(v);
    v.stage_at := clock_timestamp();
    v.stage := v.stage + 1;
    v.stage_end := CASE WHEN v.stage <= cardinality(v.ramp) THEN least(v.total, v.stage_end + v.ramp[v.stage]) ELSE v.total END;
    v.stage_ran := 0;
    v.stage_failed := 0;
  END IF;
  UPDATE bulk_acts b
  SET state = v.state, why = v.why, ended_at = v.ended_at, succeeded = v.succeeded, failed = v.failed, moved = v.moved, open = v.open,
      stage = v.stage, stage_end = v.stage_end, stage_ran = v.stage_ran, stage_failed = v.stage_failed, stage_at = v.stage_at, stages = v.stages
  WHERE b.id = v.id AND b IS DISTINCT FROM v;
  RETURN v;
END $$;

-- As in 0027, and notes which runs are being undone.
-- The next runs of the selection, in log order, at most 50 at a time and 200 that are not through, so that a pause or a stop
-- leaves little under way. A run that is not any more as the selection found it is left alone: somebody has acted on it, or
-- it has another problem now. All lanes are locked first, in the order of every writer, so that the runs become due in log order.
CREATE OR REPLACE FUNCTION begin_bulk_slice(v bulk_acts) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_item record;
  v_lane record;
  v_done record;
  v_outcome text;
  v_reason text := concat_ws(' ', v.reason, '(bulk act ' || v.id || ')');
  v_taken integer := 0;
  v_open integer := 0;
  v_ok integer := 0;
  v_moved integer := 0;
  v_places integer[];
BEGIN
  SELECT array_agg(n.place ORDER BY n.place) INTO v_places FROM (
    SELECT i.place FROM bulk_items i                       -- bulk_items_left
    WHERE i.act = v.id AND i.outcome IS NULL AND i.place <= v.stage_end ORDER BY i.place LIMIT least(50, greatest(0, 200 - v.open))) n;
  IF v_places IS NULL THEN RETURN; END IF;
  FOR v_lane IN
    SELECT l.grp, array_agg(l.key ORDER BY l.key) AS keys, array_agg(l.khash ORDER BY l.key) AS khash
    FROM (SELECT r.grp, r.key, min(r.khash) AS khash FROM bulk_items i JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen
          WHERE i.act = v.id AND i.place = ANY (v_places) AND r.grp IS NOT NULL GROUP BY r.grp, r.key) l
    GROUP BY l.grp ORDER BY l.grp
  LOOP
    PERFORM lock_lanes(v_lane.grp, v_lane.keys, v_lane.khash);
  END LOOP;
  FOR v_item IN
    SELECT i.*, r.state AS now_state, r.fp AS now_fp, r.tries AS now_tries, coalesce(r.compensating, false) AS now_compensating, r.grp, r.key
    FROM bulk_items i LEFT JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen
    WHERE i.act = v.id AND i.place = ANY (v_places) ORDER BY i.place
  LOOP
    v_outcome := NULL;
    IF v_item.now_state IS NULL THEN v_outcome := 'gone';
    ELSIF v_item.now_fp IS DISTINCT FROM v_item.fp OR v_item.now_state <> v_item.state AND NOT (v_item.state = 2 AND v_item.now_state = 4) THEN
      v_outcome := 'moved';
    ELSE
      SELECT * INTO v_done FROM act_on_run(v_item.flow, v_item.seq, v_item.gen, v.verb, v.created_by, v_reason);
      v_outcome := CASE WHEN v_done.result = 'done' THEN CASE v.verb WHEN 'skip' THEN 'skipped' ELSE 'begun' END
                        WHEN v_done.result = 'refused' AND v.verb = 'compensate' THEN 'unfit' ELSE 'moved' END;
    END IF;
    IF v_outcome IN ('moved', 'unfit') THEN PERFORM settle_lanes(v_item.grp, ARRAY[v_item.key]); END IF;
    UPDATE bulk_items i
    SET outcome = v_outcome, undoes = v.verb = 'compensate' OR v_item.now_compensating, begun_at = clock_timestamp(), tries = CASE WHEN v_item.now_state = 4 OR v.verb = 'compensate' THEN 0 ELSE v_item.now_tries END,
        ended_at = CASE WHEN v_outcome <> 'begun' THEN clock_timestamp() END
    WHERE i.act = v.id AND i.place = v_item.place;
    v_taken := v_taken + 1;
    IF v_outcome = 'begun' THEN v_open := v_open + 1; ELSIF v_outcome = 'skipped' THEN v_ok := v_ok + 1; ELSE v_moved := v_moved + 1; END IF;
  END LOOP;
  UPDATE bulk_acts b
  SET taken = b.taken + v_taken, open = b.open + v_open, succeeded = b.succeeded + v_ok, moved = b.moved + v_moved, stage_ran = b.stage_ran + v_ok
  WHERE b.id = v.id;
END $$;
