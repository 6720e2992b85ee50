-- Replays: the runs of a stored selection of events once more, as new generations, fed in small slices by the owner of
-- the lane group, so that every limit, breaker and lane holds for them as for any run.

-- state: planned → running ⇄ paused | stopped (by itself, for its errors), → done | cancelled.
CREATE TABLE replays (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  flow         smallint NOT NULL REFERENCES flows,
  selection    jsonb NOT NULL,
  keys         text NOT NULL CHECK (keys IN ('same', 'new')),
  state        text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'running', 'paused', 'stopped', 'cancelled', 'done')),
  head         bigint NOT NULL,              -- of the log at its creation: its runs stand behind what came until then
  total        integer NOT NULL DEFAULT 0,
  plan         jsonb,
  rate         double precision NOT NULL,    -- runs a second
  max_errors   double precision NOT NULL,    -- share of failed runs in a stage beyond which it stops
  ramp         integer[] NOT NULL,           -- sizes of the first stages; the last stage is the rest
  stage        integer NOT NULL DEFAULT 1,
  stage_end    integer NOT NULL DEFAULT 0,   -- nothing behind this place is fed yet
  stage_ran    integer NOT NULL DEFAULT 0,
  stage_failed integer NOT NULL DEFAULT 0,
  taken        integer NOT NULL DEFAULT 0,   -- items with an outcome
  fed          integer NOT NULL DEFAULT 0,   -- of them those that became runs
  succeeded    integer NOT NULL DEFAULT 0,
  failed       integer NOT NULL DEFAULT 0,
  ended        integer NOT NULL DEFAULT 0,   -- skipped or superseded
  tat          timestamptz NOT NULL DEFAULT '-infinity',  -- up to when the rate is used up
  why          text,                         -- why it stopped
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  reason       text NOT NULL,
  started_at   timestamptz,
  ended_at     timestamptz
);
-- Of one flow one replay at a time: a second one that nobody meant would do everything twice.
CREATE UNIQUE INDEX replays_running ON replays (flow) WHERE state = 'running';

-- The selection as it was when the replay was planned. outcome: null not reached | fed, held (waits for a person, a time
-- or an event, or behind one that does) | succeeded, failed (parked, tried again, or compensated), ended | open (an
-- earlier run of the event is not over: nothing was done), gone (its event is no longer kept).
CREATE TABLE replay_items (
  replay  bigint REFERENCES replays ON DELETE CASCADE,
  place   integer,
  seq     bigint NOT NULL,
  gen     smallint,
  outcome text COLLATE "C",
  PRIMARY KEY (replay, place)
);
CREATE INDEX replay_items_left ON replay_items (replay, place) WHERE outcome IS NULL;
CREATE INDEX replay_items_open ON replay_items (replay, place) WHERE outcome IN ('fed', 'held');

-- Stores a selection: events of the flow's types up to the head that have a run, or came before the flow began. What the
-- flow has not reached yet is left out, for it will run anyway. p_selection: fromSeq, toSeq (without), key, types, states
-- (of the latest run; 0: none). Answers no id when there are none, or more than p_max, and stores nothing then. Plans that
-- nobody has started for a week are given up meanwhile, for each holds its whole selection.
CREATE FUNCTION plan_replay(
  p_flow smallint, p_selection jsonb, p_shown jsonb, p_keys text, p_rate double precision, p_max_errors double precision,
  p_ramp integer[], p_max integer, p_lives jsonb, p_actor text, p_reason text, OUT id bigint, OUT total integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_flow flows;
  v_head bigint := coalesce((SELECT max(e.seq) FROM events e), 0);
  v_key text := p_selection ->> 'key';
  v_from bigint := coalesce((p_selection ->> 'fromSeq')::bigint, 0);
  v_to bigint := least(coalesce((p_selection ->> 'toSeq')::bigint, v_head + 1), v_head + 1);
  v_types text[] := ARRAY(SELECT jsonb_array_elements_text(p_selection -> 'types'));
  v_states smallint[] := CASE WHEN p_selection ? 'states' THEN ARRAY(SELECT jsonb_array_elements_text(p_selection -> 'states')::smallint) END;
BEGIN
  PERFORM act_on_replay(o.id, 'cancel', 'busbar', 'nobody has started it for a week')
  FROM replays o WHERE o.flow = p_flow AND o.state = 'planned' AND o.created_at < clock_timestamp() - interval '7 days';
  SELECT * INTO v_flow FROM flows f WHERE f.id = p_flow;
  INSERT INTO replays (flow, selection, keys, head, rate, max_errors, ramp, created_by, reason)
  VALUES (p_flow, p_shown, p_keys, v_head, p_rate, p_max_errors, p_ramp, p_actor, p_reason) RETURNING replays.id INTO id;
  INSERT INTO replay_items (replay, place, seq)
  SELECT plan_replay.id, row_number() OVER (ORDER BY s.seq), s.seq
  FROM (
    SELECT e.seq
    FROM (
      SELECT b.seq, b.type FROM events b WHERE v_key IS NULL AND b.seq >= v_from AND b.seq < v_to               -- primary key
      UNION ALL
      SELECT b.seq, b.type FROM events b WHERE v_key IS NOT NULL AND b.key = v_key AND b.seq >= v_from AND b.seq < v_to  -- events_by_key
    ) e
    LEFT JOIN LATERAL (SELECT r.state FROM runs r WHERE r.flow = p_flow AND r.seq = e.seq ORDER BY r.gen DESC LIMIT 1) r ON true
    WHERE e.type = ANY (v_types)
      AND (r.state IS NOT NULL OR e.seq <= v_flow.from_seq OR e.seq <= v_flow.type_after[array_position(v_flow.types, e.type)])
      AND (v_states IS NULL OR coalesce(r.state, 0) = ANY (v_states))
    ORDER BY e.seq LIMIT p_max + 1
  ) s;
  GET DIAGNOSTICS total = ROW_COUNT;
  IF total NOT BETWEEN 1 AND p_max THEN
    RAISE EXCEPTION 'nothing, or too much' USING ERRCODE = 'BB004';
  END IF;
  UPDATE replays r SET total = plan_replay.total, stage_end = least(plan_replay.total, coalesce(p_ramp[1], plan_replay.total)), plan = replay_plan(r, p_lives)
  WHERE r.id = plan_replay.id;
  PERFORM audit_replay(r, 'plan', p_actor, p_reason, jsonb_build_object('events', plan_replay.total, 'keys', p_keys, 'selection', p_shown))
  FROM replays r WHERE r.id = plan_replay.id;
EXCEPTION WHEN SQLSTATE 'BB004' THEN
  id := NULL;
END $$;

-- What a replay would do, counted over its items. p_lives: for each system of the flow, how long it remembers a key.
CREATE FUNCTION replay_plan(p_replay replays, p_lives jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
  WITH item AS MATERIALIZED (
    SELECT i.place, i.seq, e.key, r.gen, r.state, r.first_at
    FROM replay_items i
    JOIN events e ON e.seq = i.seq
    LEFT JOIN LATERAL (SELECT * FROM runs r WHERE r.flow = p_replay.flow AND r.seq = i.seq ORDER BY r.gen DESC LIMIT 1) r ON true
    WHERE i.replay = p_replay.id
  )
  SELECT jsonb_build_object(
    'events', (SELECT count(*) FROM item),
    'objects', (SELECT count(DISTINCT key) FROM item),
    'firstObjects', (SELECT coalesce(jsonb_agg(k.key ORDER BY k.place), '[]')
                     FROM (SELECT key, min(place) AS place FROM item WHERE key IS NOT NULL GROUP BY key ORDER BY min(place) LIMIT 10) k),
    'states', (SELECT coalesce(jsonb_object_agg(s.state, s.n), '{}') FROM (SELECT coalesce(state, 0) AS state, count(*) AS n FROM item GROUP BY 1) s),
    'edited', (SELECT count(*) FROM item WHERE EXISTS (
                 SELECT FROM steps s WHERE s.flow = p_replay.flow AND s.seq = item.seq AND s.gen = item.gen AND s.key_no > 0)),
    'keyLives', (SELECT coalesce(jsonb_agg(jsonb_build_object('system', l.system, 'lifeMs', l."lifeMs", 'passed',
                   (SELECT count(*) FROM item WHERE item.first_at < clock_timestamp() - l."lifeMs" * interval '1 ms'))), '[]')
                 FROM jsonb_to_recordset(p_lives) AS l (system text, "lifeMs" double precision)));
$$;

CREATE FUNCTION audit_replay(p_replay replays, p_verb text, p_actor text, p_reason text, p_after jsonb) RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit (actor, verb, object, reason, before, after)
  SELECT p_actor, p_verb, 'replay ' || p_replay.id || ' of ' || f.name, p_reason, jsonb_build_object('state', p_replay.state), p_after
  FROM flows f WHERE f.id = p_replay.flow;
$$;

-- What a person does to a replay. What is so already stays as it is ('same'): a lost answer may be asked for again.
-- 'busy': another replay of the flow is running. A resumed one begins its stage's count of errors anew.
CREATE FUNCTION act_on_replay(p_id bigint, p_verb text, p_actor text, p_reason text, OUT result text) LANGUAGE plpgsql AS $$
DECLARE
  v replays;
  v_to text := CASE p_verb WHEN 'start' THEN 'running' WHEN 'resume' THEN 'running' WHEN 'pause' THEN 'paused' ELSE 'cancelled' END;
BEGIN
  SELECT * INTO v FROM replays r WHERE r.id = p_id FOR UPDATE;
  IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
  IF v.state = v_to OR p_verb = 'start' AND v.state = 'done' THEN result := 'same'; RETURN; END IF;
  IF v.state <> ALL (CASE p_verb WHEN 'start' THEN ARRAY['planned'] WHEN 'pause' THEN ARRAY['running'] WHEN 'resume' THEN ARRAY['paused', 'stopped']
                     ELSE ARRAY['planned', 'running', 'paused', 'stopped'] END) THEN
    result := 'refused'; RETURN;
  END IF;
  UPDATE replays r
  SET state = v_to, why = NULL, stage_ran = 0, stage_failed = 0,
      started_at = CASE WHEN v_to = 'running' THEN coalesce(r.started_at, clock_timestamp()) ELSE r.started_at END,
      ended_at = CASE WHEN v_to = 'cancelled' THEN clock_timestamp() END
  WHERE r.id = p_id;
  IF v_to = 'cancelled' THEN DELETE FROM replay_items i WHERE i.replay = p_id AND i.outcome IS NULL; END IF;
  UPDATE problems SET state = 'resolved' WHERE fp = 'replay:' || p_id AND state <> 'resolved';
  PERFORM audit_replay(v, p_verb, p_actor, p_reason, jsonb_build_object('state', v_to));
  result := 'done';
EXCEPTION WHEN unique_violation THEN                                                      -- replays_running
  result := 'busy';
END $$;

-- Looks what became of the runs that were fed; stops the replay when too many of a stage have failed, opens the next stage
-- when the last one is through, ends it when all is. Small stages are judged by at least so many runs as they have, large
-- ones by at least twenty, so that one failure at the beginning does not stop a thousand. Its row is locked.
CREATE FUNCTION watch_replay(p_replay replays) RETURNS replays LANGUAGE plpgsql AS $$
DECLARE
  v replays := p_replay;
  v_size integer;
  v_open integer;
  v_ok integer;
  v_bad integer;
  v_over integer;
BEGIN
  WITH seen AS (
    SELECT i.place, i.outcome AS before, CASE
      WHEN r.state IS NULL THEN 'ended'
      WHEN r.state = 10 THEN 'succeeded'
      WHEN r.state IN (4, 13) OR r.state < 4 AND r.compensating OR r.state = 2 AND r.tries > 0 THEN 'failed'
      WHEN r.state > 10 THEN 'ended'
      WHEN r.awaits IS NOT NULL OR r.state = 1 AND (h.state = 4 OR h.awaits IS NOT NULL) THEN 'held'
      ELSE 'fed' END AS outcome
    FROM replay_items i                                    -- replay_items_open
    LEFT JOIN runs r ON r.flow = v.flow AND r.seq = i.seq AND r.gen = i.gen
    LEFT JOIN LATERAL (
      SELECT o.state, o.awaits FROM runs o                 -- runs_open_by_lane
      WHERE r.state = 1 AND o.grp = r.grp AND o.key = r.key AND o.state < 10 AND o.holds ORDER BY o.lord, o.seq, o.ord LIMIT 1
    ) h ON true
    WHERE i.replay = v.id AND i.outcome IN ('fed', 'held')
  ), told AS (
    UPDATE replay_items i SET outcome = s.outcome FROM seen s
    WHERE i.replay = v.id AND i.place = s.place AND s.outcome <> s.before
  )
  SELECT count(*) FILTER (WHERE s.outcome = 'fed'), count(*) FILTER (WHERE s.outcome = 'succeeded'),
         count(*) FILTER (WHERE s.outcome = 'failed'), count(*) FILTER (WHERE s.outcome = 'ended')
  INTO v_open, v_ok, v_bad, v_over FROM seen s;
  v.succeeded := v.succeeded + v_ok;
  v.failed := v.failed + v_bad;
  v.ended := v.ended + v_over;
  v.stage_ran := v.stage_ran + v_ok + v_bad;
  v.stage_failed := v.stage_failed + v_bad;
  v_size := least(v.total, v.ramp[v.stage]);
  IF v.stage_failed > v.max_errors * greatest(v.stage_ran, least(v_size, 20)) THEN
    v.state := 'stopped';
    v.why := v.stage_failed || ' of ' || v.stage_ran || ' runs of stage ' || v.stage || ' failed';
    INSERT INTO problems AS p (fp, system, code, title)
    SELECT 'replay:' || v.id, f.name, 'replay.stopped', 'replay ' || v.id || ' of ' || f.name || ' has stopped: ' || v.why FROM flows f WHERE f.id = v.flow
    ON CONFLICT (fp) DO UPDATE SET last_seen = clock_timestamp(), title = excluded.title, state = 'open';
    PERFORM audit_replay(p_replay, 'stop', 'busbar', v.why, jsonb_build_object('state', v.state));
  ELSIF v_open = 0 AND v.taken >= v.total THEN
    v.state := 'done';
    v.ended_at := clock_timestamp();
    PERFORM audit_replay(p_replay, 'done', 'busbar', NULL, jsonb_build_object('state', v.state, 'succeeded', v.succeeded, 'failed', v.failed));
  ELSIF v_open = 0 AND v.taken >= v.stage_end THEN
    v.stage := v.stage + 1;
    v.stage_end := CASE WHEN v.stage <= cardinality(v.ramp) THEN least(v.total, v.stage_end + v.ramp[v.stage]) ELSE v.total END;
    v.stage_ran := 0;
    v.stage_failed := 0;
  END IF;
  UPDATE replays r
  SET state = v.state, why = v.why, ended_at = v.ended_at, succeeded = v.succeeded, failed = v.failed, ended = v.ended,
      stage = v.stage, stage_end = v.stage_end, stage_ran = v.stage_ran, stage_failed = v.stage_failed
  WHERE r.id = v.id AND r IS DISTINCT FROM v;
  RETURN v;
END $$;

-- The next slice of a running replay becomes runs, by the owner of the lane group; what was fed before is looked at first.
-- One transaction: a run and its item's outcome are written together, so a repeated call goes on where the last one ended.
-- Answers the lanes in which runs of it wait, whether this call has put them there or an earlier one whose answer got lost.
CREATE FUNCTION feed_replay(p_grp text, p_part integer, p_epoch bigint, p_replay bigint) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  v replays;
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch);
  SELECT * INTO v FROM replays r WHERE r.id = p_replay FOR UPDATE;
  IF NOT FOUND OR v.state <> 'running' OR NOT EXISTS (SELECT FROM flows f WHERE f.id = v.flow AND f.grp = p_grp) THEN RETURN '{}'; END IF;
  v := watch_replay(v);
  IF v.state = 'running' AND v.taken < v.stage_end THEN PERFORM feed_slice(v, p_grp, p_part); END IF;
  RETURN ARRAY(
    SELECT DISTINCT r.key FROM replay_items i JOIN runs r ON r.flow = v.flow AND r.seq = i.seq AND r.gen = i.gen
    WHERE i.replay = v.id AND i.outcome IN ('fed', 'held') AND r.state = 1);
END $$;

-- Not before every flow of the group has come to the head of the replay's creation: what came until then stands before it,
-- what came later behind it. lord is the head + 1, the place of the first later event, before which it sorts by its own seq.
-- At most 200 at a time, 1,000 unfinished ones, and as many as the rate allows, of which half a second's may be saved up.
CREATE FUNCTION feed_slice(v replays, p_grp text, p_part integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_tat timestamptz := greatest(v.tat, v_now - greatest(0.5, 1 / v.rate) * interval '1 s');
  v_due integer := floor(extract(epoch FROM v_now - v_tat) * v.rate + 1e-6);
  v_room integer := 1000 - (v.fed - v.succeeded - v.failed - v.ended);
  v_parts integer;
  v_places integer[];
  v_seqs bigint[];
  v_keys text[];
  v_khash integer[];
  v_lanes text[];
  v_lane_khash integer[];
  v_fed integer;
BEGIN
  IF least(v_due, v_room) <= 0 OR EXISTS (
    SELECT FROM positions p JOIN flows f ON f.id = p.flow WHERE f.grp = p_grp AND NOT f.removed AND p.part = p_part AND p.position < v.head
  ) THEN RETURN; END IF;
  SELECT g.parts INTO v_parts FROM lane_groups g WHERE g.grp = p_grp AND g.part = p_part;
  SELECT array_agg(n.place ORDER BY n.place), array_agg(n.seq ORDER BY n.place), array_agg(n.key ORDER BY n.place), array_agg(n.khash ORDER BY n.place)
  INTO v_places, v_seqs, v_keys, v_khash
  FROM (
    SELECT i.place, i.seq, e.khash,
           CASE WHEN e.seq IS NULL THEN NULL WHEN f.declaration ->> 'ordering' <> 'none' AND e.key IS NOT NULL THEN e.key ELSE '#' || f.id || ':' || e.seq END AS key
    FROM replay_items i                                    -- replay_items_left
    JOIN flows f ON f.id = v.flow
    LEFT JOIN events e ON e.seq = i.seq
    WHERE i.replay = v.id AND i.outcome IS NULL AND i.place <= v.stage_end AND coalesce(e.khash, 0) % v_parts = p_part
    ORDER BY i.place LIMIT least(v_due, v_room, 200)
  ) n;
  IF v_places IS NULL THEN RETURN; END IF;
  SELECT array_agg(k.key), array_agg(k.khash) INTO v_lanes, v_lane_khash
  FROM (SELECT n.key, min(n.khash) AS khash FROM unnest(v_keys, v_khash) AS n (key, khash) WHERE n.key IS NOT NULL GROUP BY n.key) k;
  IF v_lanes IS NOT NULL THEN PERFORM lock_lanes(p_grp, v_lanes, v_lane_khash); END IF;
  -- A new statement behind the locks, so that it sees what acts and flushes have committed.
  WITH item AS (
    SELECT n.place, n.seq, n.key, n.khash, l.gen, l.key_gen,
           EXISTS (SELECT FROM runs o WHERE o.flow = v.flow AND o.seq = n.seq AND o.state < 10) AS open
    FROM unnest(v_places, v_seqs, v_keys, v_khash) AS n (place, seq, key, khash)
    LEFT JOIN LATERAL (SELECT r.gen, r.key_gen FROM runs r WHERE r.flow = v.flow AND r.seq = n.seq ORDER BY r.gen DESC LIMIT 1) l ON true
  ), made AS (
    INSERT INTO runs (flow, seq, gen, state, system, ord, khash, lord, grp, key, key_gen, reason)
    SELECT f.id, i.seq, coalesce(i.gen, 0) + 1, 1, coalesce(s.id, 0), f.ord, i.khash, v.head + 1, p_grp, i.key,
           CASE v.keys WHEN 'same' THEN coalesce(i.key_gen, i.gen, 0) END, 'replay ' || v.id
    FROM item i JOIN flows f ON f.id = v.flow LEFT JOIN systems s ON s.name = f.declaration #>> '{steps,0,system}'
    WHERE i.key IS NOT NULL AND NOT i.open
    RETURNING seq, gen
  ), told AS (
    UPDATE replay_items t SET gen = m.gen, outcome = CASE WHEN i.key IS NULL THEN 'gone' WHEN i.open THEN 'open' ELSE 'fed' END
    FROM item i LEFT JOIN made m ON m.seq = i.seq
    WHERE t.replay = v.id AND t.place = i.place
  )
  SELECT count(*) INTO v_fed FROM made;
  IF v_lanes IS NOT NULL THEN PERFORM settle_lanes(p_grp, v_lanes); END IF;
  UPDATE replays r
  SET taken = r.taken + cardinality(v_places), fed = r.fed + v_fed, tat = v_tat + cardinality(v_places) / v.rate * interval '1 s'
  WHERE r.id = v.id;
END $$;
