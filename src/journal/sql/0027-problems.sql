-- Problems with a memory (when they came back, how many runs had them over time, who looks after them and how), and acts on
-- many runs at once: on a stored selection, in log order, in growing stages, by any live process.

-- By cause and state, in log order: counts, "does one need a person", and lists are each one range.
DROP INDEX runs_open_by_problem;
CREATE INDEX runs_open_by_problem ON runs (fp, state, seq) WHERE state < 10 AND fp IS NOT NULL;
CREATE INDEX runs_open_by_system ON runs (system, state, seq) WHERE state < 10;

ALTER TABLE problems
  ADD since         timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of this time; first_seen is the first time ever
  ADD times         integer NOT NULL DEFAULT 1,                      -- how often it has come
  ADD resolved_at   timestamptz,
  ADD back_at       timestamptz,                                     -- it came back by itself then, from 'resolved' or 'ignored'
  ADD back_from     text,
  ADD ignored_until timestamptz,                                     -- null: until somebody opens it
  ADD runbook       text;
UPDATE problems SET since = first_seen, resolved_at = CASE state WHEN 'resolved' THEN last_seen END;
CREATE INDEX problems_by_last_seen ON problems (state, last_seen, fp);
CREATE INDEX problems_by_since ON problems (state, since, fp);
CREATE INDEX problems_resolved ON problems (resolved_at) WHERE state = 'resolved';

-- How many runs were open at most, by five minutes: kept for a day.
CREATE TABLE problem_levels (
  fp   text COLLATE "C",
  at   timestamptz,
  open integer NOT NULL,
  PRIMARY KEY (fp, at)
) WITH (fillfactor = 50);
CREATE INDEX problem_levels_by_time ON problem_levels (at);

-- Its earlier times, the last ten.
CREATE TABLE problem_times (
  fp    text COLLATE "C",
  since timestamptz,
  until timestamptz NOT NULL,
  PRIMARY KEY (fp, since)
);

-- Whoever writes a problem need not know of its memory.
CREATE FUNCTION remember_problem() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  NEW.first_seen := OLD.first_seen;
  IF OLD.state = 'resolved' AND NEW.state <> 'resolved' AND OLD.resolved_at > clock_timestamp() - interval '1 min' THEN
    NEW.resolved_at := NULL;                               -- one that comes and goes is one, not sixty in an hour
  ELSIF OLD.state = 'resolved' AND NEW.state <> 'resolved' THEN
    NEW.since := clock_timestamp();
    NEW.times := OLD.times + 1;
    NEW.back_at := NEW.since;
    NEW.back_from := 'resolved';
    NEW.resolved_at := NULL;
  ELSIF NEW.state = 'resolved' AND OLD.state <> 'resolved' THEN
    NEW.resolved_at := clock_timestamp();
  END IF;
  IF NEW.state <> 'ignored' THEN NEW.ignored_until := NULL; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER remember_problem BEFORE UPDATE ON problems FOR EACH ROW EXECUTE FUNCTION remember_problem();

CREATE FUNCTION note_level(p_fp text, p_open integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO problem_levels AS l (fp, at, open) VALUES (p_fp, date_bin('5 min', clock_timestamp(), 'epoch'), p_open)
  ON CONFLICT (fp, at) DO UPDATE SET open = excluded.open WHERE l.open < excluded.open;
$$;

-- After, not before: of an INSERT that becomes an UPDATE both would be told.
CREATE FUNCTION follow_problem() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM note_level(NEW.fp, 1);
  ELSIF NEW.state = 'resolved' AND OLD.state <> 'resolved' THEN
    INSERT INTO problem_times (fp, since, until) VALUES (NEW.fp, OLD.since, NEW.resolved_at)
    ON CONFLICT (fp, since) DO UPDATE SET until = excluded.until;
    DELETE FROM problem_times t WHERE t.fp = NEW.fp AND t.since < (
      SELECT k.since FROM problem_times k WHERE k.fp = NEW.fp ORDER BY k.since DESC OFFSET 9 LIMIT 1);
  ELSIF OLD.state = 'resolved' AND NEW.state <> 'resolved' AND NEW.since = OLD.since THEN
    DELETE FROM problem_times t WHERE t.fp = NEW.fp AND t.since = NEW.since; -- it was not over
    PERFORM note_level(NEW.fp, 1);
  ELSIF NEW.last_seen > OLD.last_seen THEN
    PERFORM note_level(NEW.fp, 1);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER follow_problem AFTER INSERT OR UPDATE ON problems FOR EACH ROW EXECUTE FUNCTION follow_problem();

-- What problems do by themselves, about every ten seconds. A problem of runs ends with its last open one (one with a colon,
-- system:…, expected:…, or of a cross-reference, is ended by what opened it); one that was ignored until a moment is back then; one that was ended
-- while a run of it was being written is open again. SKIP LOCKED: it must not wait behind a flush while it holds a problem
-- that the flush wants next.
CREATE FUNCTION settle_problems() RETURNS void LANGUAGE plpgsql AS $$
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
  IF NOT pg_try_advisory_xact_lock(('problem_levels'::regclass::oid::bigint << 16) | 6) THEN RETURN; END IF;
  -- In the order in which flushes write problems, and with them their levels.
  PERFORM note_level(p.fp, c.open::integer)
  FROM (SELECT p.fp, p.system FROM problems p WHERE p.state IN ('open', 'acknowledged', 'ignored') ORDER BY p.last_seen DESC LIMIT 100) p
  CROSS JOIN LATERAL (
    SELECT CASE WHEN p.fp = 'system:' || p.system
      THEN (SELECT count(*) FROM (
              SELECT FROM (SELECT DISTINCT g.grp FROM lane_groups g) g, systems s
              JOIN lanes l ON l.system = s.id WHERE s.name = p.system AND l.grp = g.grp LIMIT 1000) w)
      ELSE (SELECT count(*) FROM (SELECT FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state < 10 LIMIT 1000) w)
    END AS open
  ) c WHERE c.open > 0 ORDER BY p.fp;
  DELETE FROM problem_levels l WHERE l.at < clock_timestamp() - interval '25 h';
END $$;

-- Whether somebody must do something about it: a run is parked, or nothing of it goes on by itself.
CREATE FUNCTION needs_person(p problems) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p.code = 'link.conflict' OR p.fp LIKE 'expected:%' OR p.fp LIKE 'replay:%' OR p.fp LIKE 'outbox:%'
    OR EXISTS (SELECT FROM runs r WHERE r.fp = p.fp AND r.fp IS NOT NULL AND r.state = 4 AND r.state < 10);   -- runs_open_by_problem
$$;

-- What a person says about a problem: its state, until when it is ignored, who looks after it, a note, where it is written
-- what to do. p_change holds only what is to change. Who acknowledges looks after it, unless somebody does.
CREATE OR REPLACE FUNCTION change_problem(p_fp text, p_change jsonb, p_actor text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_old problems;
  v_new problems;
BEGIN
  SELECT * INTO v_old FROM problems p WHERE p.fp = p_fp FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  v_new := jsonb_populate_record(v_old, p_change);
  IF v_new.state <> 'ignored' THEN v_new.ignored_until := NULL; END IF;
  IF v_new.state = 'acknowledged' AND v_old.state <> 'acknowledged' AND NOT p_change ? 'owner' THEN
    v_new.owner := coalesce(v_old.owner, p_actor);
  END IF;
  IF said_of_problem(v_new) = said_of_problem(v_old) THEN RETURN true; END IF;
  UPDATE problems p SET state = v_new.state, owner = v_new.owner, note = v_new.note, runbook = v_new.runbook, ignored_until = v_new.ignored_until
  WHERE p.fp = p_fp;
  INSERT INTO audit (actor, verb, object, before, after)
  VALUES (p_actor,
          CASE WHEN v_new.state <> v_old.state THEN
                 CASE v_new.state WHEN 'open' THEN 'reopen' WHEN 'ignored' THEN 'ignore' ELSE 'acknowledge' END
               WHEN v_new.ignored_until IS DISTINCT FROM v_old.ignored_until THEN 'ignore' ELSE 'note' END,
          'problem ' || p_fp, said_of_problem(v_old), said_of_problem(v_new));
  RETURN true;
END $$;

CREATE FUNCTION said_of_problem(p problems) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('state', p.state, 'owner', p.owner, 'note', p.note)
    || jsonb_strip_nulls(jsonb_build_object('runbook', p.runbook, 'ignoredUntil', p.ignored_until));
$$;

-- Acts on many runs. state: planned → running ⇄ paused | stopped (by itself, for its failures), → done | cancelled.
CREATE TABLE bulk_acts (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  verb         text NOT NULL CHECK (verb IN ('retry', 'skip', 'compensate')),
  fp           text COLLATE "C",             -- of the problem whose runs were selected
  selection    jsonb NOT NULL,               -- as it was asked for
  state        text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'running', 'paused', 'stopped', 'cancelled', 'done')),
  total        integer NOT NULL DEFAULT 0,
  plan         jsonb NOT NULL DEFAULT '{}',
  max_errors   double precision NOT NULL,    -- share of failed runs in a stage beyond which it stops
  ramp         integer[] NOT NULL,           -- sizes of the first stages; the last stage is the rest
  stage        integer NOT NULL DEFAULT 1,
  stage_end    integer NOT NULL DEFAULT 0,   -- nothing behind this place is begun yet
  stage_ran    integer NOT NULL DEFAULT 0,
  stage_failed integer NOT NULL DEFAULT 0,
  stage_at     timestamptz,
  stages       jsonb NOT NULL DEFAULT '[]',  -- of those that are through: ran, failed, ms
  taken        integer NOT NULL DEFAULT 0,   -- items with an outcome
  open         integer NOT NULL DEFAULT 0,   -- of them those that are not through
  succeeded    integer NOT NULL DEFAULT 0,
  failed       integer NOT NULL DEFAULT 0,
  moved        integer NOT NULL DEFAULT 0,   -- left alone, or ended by somebody else
  why          text,                         -- why it stopped
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  reason       text,
  started_at   timestamptz,
  ended_at     timestamptz
);
-- Of one problem one at a time: who begins a second one has not seen the first.
CREATE UNIQUE INDEX bulk_acts_running ON bulk_acts (coalesce(fp, id::text)) WHERE state = 'running';
CREATE INDEX bulk_acts_live ON bulk_acts (id) WHERE state = 'running' OR open > 0 AND state <> 'done';
CREATE INDEX bulk_acts_by_problem ON bulk_acts (fp, id) WHERE fp IS NOT NULL;

-- The selection as it was when it was planned. outcome: null not reached | begun, held (waits for a time, an event or a
-- person's decision) | succeeded, skipped, compensated | failed (parked or to be tried again; fp: as which problem) | moved
-- (somebody else has acted on it since: it was left alone; or ended it after it was begun) | unfit (it has nothing to
-- compensate) | gone.
CREATE TABLE bulk_items (
  act      bigint REFERENCES bulk_acts ON DELETE CASCADE,
  place    integer,
  flow     smallint NOT NULL,
  seq      bigint NOT NULL,
  gen      smallint NOT NULL,
  state    smallint NOT NULL,                -- in the selection
  fp       text COLLATE "C",                 -- in the selection; after a failure that of the failure
  outcome  text COLLATE "C",
  tries    integer,                          -- when it was begun
  begun_at timestamptz,
  ended_at timestamptz,
  PRIMARY KEY (act, place)
);
CREATE INDEX bulk_items_left ON bulk_items (act, place) WHERE outcome IS NULL;
CREATE INDEX bulk_items_open ON bulk_items (act, place) WHERE outcome IN ('begun', 'held');
CREATE INDEX bulk_items_by_outcome ON bulk_items (act, outcome, place) WHERE outcome IS NOT NULL;

-- Stores a selection of open runs, in log order, and what it would do. p: problem; or runs [{flow, seq, generation}]; or flow,
-- system, key, fromSeq, toSeq (without); states. Answers no id where nothing fits, or more than p_max, and stores nothing then.
CREATE FUNCTION plan_bulk_act(
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
    WHERE v_system IS NOT NULL AND NOT p ? 'runs'
      AND (NOT p ? 'flow' OR r.flow = v_flow)
      AND (NOT p ? 'key' OR EXISTS (SELECT FROM events e WHERE e.seq = r.seq AND e.key = p ->> 'key'))
      AND (NOT p ? 'fromSeq' OR r.seq >= (p ->> 'fromSeq')::bigint) AND (NOT p ? 'toSeq' OR r.seq < (p ->> 'toSeq')::bigint)
    UNION ALL
    SELECT r.flow, r.seq, r.gen, r.state, r.fp FROM flows f CROSS JOIN unnest(v_states) AS w (state)  -- runs_open_by_state
    JOIN runs r ON r.state = w.state AND r.state < 10 AND r.flow = f.id
    WHERE NOT p ?| ARRAY['runs', 'problem', 'system'] AND (NOT p ? 'flow' OR f.id = v_flow)
      AND (NOT p ? 'key' OR EXISTS (SELECT FROM events e WHERE e.seq = r.seq AND e.key = p ->> 'key'))
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

-- What it would do, counted over its items.
CREATE FUNCTION bulk_plan(p_act bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
  WITH item AS MATERIALIZED (
    SELECT i.place, r.flow, r.seq, r.gen, r.grp, r.key, r.state, r.system, r.maybe_at, r.lord
    FROM bulk_items i JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen WHERE i.act = p_act
  )
  SELECT jsonb_build_object(
    'objects', (SELECT count(*) FROM (SELECT DISTINCT grp, key FROM item) k),
    'first', (SELECT e.key FROM item i JOIN events e ON e.seq = i.seq ORDER BY i.place LIMIT 1),
    'states', (SELECT coalesce(jsonb_object_agg(s.state, s.n), '{}') FROM (SELECT state, count(*) AS n FROM item GROUP BY 1) s),
    'flows', (SELECT coalesce(jsonb_object_agg(f.name, s.n), '{}') FROM (SELECT flow, count(*) AS n FROM item GROUP BY 1) s JOIN flows f ON f.id = s.flow),
    'systems', (SELECT coalesce(jsonb_object_agg(y.name, s.n), '{}') FROM (SELECT system, count(*) AS n FROM item GROUP BY 1) s JOIN systems y ON y.id = s.system),
    'inDoubt', (SELECT count(*) FROM item i WHERE i.maybe_at IS NOT NULL OR EXISTS (
                  SELECT FROM steps s WHERE s.flow = i.flow AND s.seq = i.seq AND s.gen = i.gen AND s.maybe_at IS NOT NULL)),
    'doneSteps', (SELECT count(*) FROM item i JOIN steps s ON s.flow = i.flow AND s.seq = i.seq AND s.gen = i.gen AND s.state = 10),
    'behind', (SELECT count(*) FROM (                      -- runs_open_by_lane
                 SELECT FROM (SELECT DISTINCT grp, key FROM item ORDER BY 1, 2 LIMIT 1000) k
                 JOIN runs o ON o.grp = k.grp AND o.key = k.key AND o.state = 1 AND o.state < 10 LIMIT 10000) b));
$$;

CREATE FUNCTION audit_bulk(p_act bulk_acts, p_verb text, p_actor text, p_reason text, p_after jsonb) RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, p_verb, 'bulk act ' || p_act.id, p_reason,
          jsonb_strip_nulls(jsonb_build_object('state', p_act.state, 'verb', p_act.verb, 'problem', p_act.fp)), p_after);
$$;

-- What a person does to it. What is so already stays so ('same'). 'busy': another one of the same problem is running. A
-- resumed one begins its stage's count of failures anew.
CREATE FUNCTION act_on_bulk(p_id bigint, p_verb text, p_actor text, p_reason text, OUT result text) LANGUAGE plpgsql AS $$
DECLARE
  v bulk_acts;
  v_to text := CASE p_verb WHEN 'start' THEN 'running' WHEN 'resume' THEN 'running' WHEN 'pause' THEN 'paused' ELSE 'cancelled' END;
BEGIN
  SELECT * INTO v FROM bulk_acts b WHERE b.id = p_id FOR UPDATE;
  IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
  IF v.state = v_to OR p_verb = 'start' AND v.state = 'done' THEN result := 'same'; RETURN; END IF;
  IF v.state <> ALL (CASE p_verb WHEN 'start' THEN ARRAY['planned'] WHEN 'pause' THEN ARRAY['running'] WHEN 'resume' THEN ARRAY['paused', 'stopped']
                     ELSE ARRAY['planned', 'running', 'paused', 'stopped'] END) THEN
    result := 'refused'; RETURN;
  END IF;
  UPDATE bulk_acts b
  SET state = v_to, why = NULL, stage_ran = 0, stage_failed = 0,
      started_at = CASE WHEN v_to = 'running' THEN coalesce(b.started_at, clock_timestamp()) ELSE b.started_at END,
      stage_at = CASE WHEN v_to = 'running' THEN clock_timestamp() ELSE b.stage_at END,
      reason = CASE p_verb WHEN 'start' THEN coalesce(p_reason, b.reason) ELSE b.reason END,
      ended_at = CASE WHEN v_to = 'cancelled' THEN clock_timestamp() END
  WHERE b.id = p_id;
  PERFORM audit_bulk(v, p_verb, p_actor, p_reason, jsonb_build_object('state', v_to));
  result := 'done';
EXCEPTION WHEN unique_violation THEN                                                      -- bulk_acts_running
  result := 'busy';
END $$;

-- One look and one slice of a running one, by any process; while another is at it, nothing. One transaction: a run that was
-- acted on and its item's outcome are written together, so whoever goes on after a crash repeats nothing. Answers whether
-- it is still running; null where there was nothing to do.
CREATE FUNCTION advance_bulk(p_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v bulk_acts;
BEGIN
  SELECT * INTO v FROM bulk_acts b WHERE b.id = p_id AND (b.state = 'running' OR b.open > 0 AND b.state <> 'done') FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN NULL; END IF;
  v := watch_bulk(v);
  IF v.state = 'running' AND v.taken < v.stage_end THEN PERFORM begin_bulk_slice(v); END IF;
  RETURN v.state = 'running';
END $$;

CREATE FUNCTION stage_told(v bulk_acts) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('ran', v.stage_ran, 'failed', v.stage_failed,
    'ms', round(extract(epoch FROM clock_timestamp() - v.stage_at) * 1000));
$$;

-- What became of the runs that were begun: also of one that is paused or cancelled, whose runs go on. Stops it when too many
-- of a stage have failed, opens the next stage when one is through, ends it when all is. A failure in the first stage always
-- stops it; later stages of n runs are judged by at least min(n, 20). What is held is not waited for.
CREATE FUNCTION watch_bulk(p_act bulk_acts) RETURNS bulk_acts LANGUAGE plpgsql AS $$
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
      WHEN r.state = 13 AND v.verb = 'compensate' THEN 'compensated'
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

-- The next runs of the selection, in log order, at most 50 at a time and 200 that are not through, so that a pause or a stop
-- leaves little under way. A run that is not any more as the selection found it is left alone: somebody has acted on it, or
-- it has another problem now. All lanes are locked first, in the order of every writer, so that the runs become due in log order.
CREATE FUNCTION begin_bulk_slice(v bulk_acts) RETURNS void LANGUAGE plpgsql AS $$
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
    SELECT i.*, r.state AS now_state, r.fp AS now_fp, r.tries AS now_tries, r.grp, r.key
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
    SET outcome = v_outcome, begun_at = clock_timestamp(), tries = CASE WHEN v_item.now_state = 4 OR v.verb = 'compensate' THEN 0 ELSE v_item.now_tries END,
        ended_at = CASE WHEN v_outcome <> 'begun' THEN clock_timestamp() END
    WHERE i.act = v.id AND i.place = v_item.place;
    v_taken := v_taken + 1;
    IF v_outcome = 'begun' THEN v_open := v_open + 1; ELSIF v_outcome = 'skipped' THEN v_ok := v_ok + 1; ELSE v_moved := v_moved + 1; END IF;
  END LOOP;
  UPDATE bulk_acts b
  SET taken = b.taken + v_taken, open = b.open + v_open, succeeded = b.succeeded + v_ok, moved = b.moved + v_moved, stage_ran = b.stage_ran + v_ok
  WHERE b.id = v.id;
END $$;
