-- What people see of systems over time: breaker history, latency, maintenance windows, test calls, credentials' age.

-- The rules in force, as the deployment that started last declares them: label, limits, timeout, breaker, maintenance.
ALTER TABLE systems ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';

-- How a system stood over time. Several workers may trip the same breaker: only the first is a change.
CREATE TABLE system_changes (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  system smallint NOT NULL,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind   text NOT NULL CHECK (kind IN ('cut-off', 'tried', 'connected', 'slowed', 'paused', 'resumed', 'maintenance')),
  reason text
);
CREATE INDEX system_changes_by_kind ON system_changes (system, kind, id);

-- The newest 500 of each kind are kept.
CREATE FUNCTION note_system_change(p_system smallint, p_kind text, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO system_changes (system, kind, reason) VALUES (p_system, p_kind, p_reason);
  DELETE FROM system_changes c WHERE c.system = p_system AND c.kind = p_kind AND c.id <= (
    SELECT o.id FROM system_changes o WHERE o.system = p_system AND o.kind = p_kind ORDER BY o.id DESC OFFSET 500 LIMIT 1);
END $$;

CREATE FUNCTION system_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF new.paused <> old.paused THEN
    PERFORM note_system_change(new.id, CASE WHEN new.paused THEN 'paused' ELSE 'resumed' END, NULL);
  END IF;
  IF new.breaker <> old.breaker THEN
    IF new.breaker = 'closed' THEN
      PERFORM note_system_change(new.id, 'connected', NULL);
    ELSIF new.breaker = 'open' THEN
      PERFORM note_system_change(new.id, CASE old.breaker WHEN 'closed' THEN 'cut-off' ELSE 'tried' END, new.reason);
    END IF;
  END IF;
  IF new.throttled_until > clock_timestamp() AND coalesce(old.throttled_until, '-infinity') <= clock_timestamp() THEN
    PERFORM note_system_change(new.id, 'slowed', NULL);
  END IF;
  RETURN NULL;
END $$;

-- Not for reserve_rate, which writes another column many times a second.
CREATE TRIGGER system_changed AFTER UPDATE OF paused, breaker, throttled_until ON systems
FOR EACH ROW EXECUTE FUNCTION system_changed();

-- Calls of a system by minute and worker. hist: how many took at most 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150,
-- 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10000 ms, and more. failed: those that speak against the system.
CREATE TABLE system_minutes (
  system   smallint,
  minute   timestamptz,
  worker   text,
  calls    integer NOT NULL,
  failed   integer NOT NULL,
  total_ms bigint NOT NULL,
  hist     integer[] NOT NULL,
  PRIMARY KEY (system, minute, worker)
);

-- Runs that came to an end, by minute, flow and worker; parked: those that were handed to a person.
CREATE TABLE run_minutes (
  flow     smallint,
  minute   timestamptz,
  worker   text,
  finished integer NOT NULL,
  parked   integer NOT NULL,
  PRIMARY KEY (flow, minute, worker)
);

CREATE FUNCTION add_each(p_one integer[], p_other integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place) FROM unnest(p_one, p_other) WITH ORDINALITY AS u (a, b, place)
$$;

-- Adds counters, and forgets what is older than 35 days of what it writes.
CREATE FUNCTION write_minutes(p_worker text, p_systems json, p_runs json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO system_minutes AS t (system, minute, worker, calls, failed, total_ms, hist)
  SELECT s.system, to_timestamp(s.minute * 60), p_worker, s.calls, s.failed, s."totalMs", s.hist
  FROM json_to_recordset(p_systems) AS s (system smallint, minute bigint, calls integer, failed integer, "totalMs" bigint, hist integer[])
  ON CONFLICT (system, minute, worker) DO UPDATE SET calls = t.calls + excluded.calls, failed = t.failed + excluded.failed,
    total_ms = t.total_ms + excluded.total_ms, hist = add_each(t.hist, excluded.hist);
  INSERT INTO run_minutes AS t (flow, minute, worker, finished, parked)
  SELECT r.flow, to_timestamp(r.minute * 60), p_worker, r.finished, r.parked
  FROM json_to_recordset(p_runs) AS r (flow smallint, minute bigint, finished integer, parked integer)
  ON CONFLICT (flow, minute, worker) DO UPDATE SET finished = t.finished + excluded.finished, parked = t.parked + excluded.parked;
  DELETE FROM system_minutes t USING json_to_recordset(p_systems) AS s (system smallint)
  WHERE t.system = s.system AND t.minute < clock_timestamp() - interval '35 days';
  DELETE FROM run_minutes t USING json_to_recordset(p_runs) AS r (flow smallint)
  WHERE t.flow = r.flow AND t.minute < clock_timestamp() - interval '35 days';
END $$;

-- Where in the log each of these rising moments lies: the first event received at or after it. Each search begins where
-- the last one ended and doubles its stride, since neighbours are near.
CREATE FUNCTION seqs_at(p_at timestamptz[]) RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_at timestamptz;
  v_seen timestamptz;
  v_end bigint := coalesce((SELECT max(seq) FROM events), 0) + 1;
  v_low bigint;
  v_high bigint;
  v_mid bigint;
  v_stride bigint := 1;
  v_all bigint[] := '{}';
BEGIN
  FOREACH v_at IN ARRAY p_at LOOP
    IF v_low IS NULL THEN
      v_low := seq_at(v_at);
    ELSE
      v_stride := greatest(1, v_stride / 2);
      v_high := v_low;
      LOOP
        EXIT WHEN v_high >= v_end;
        SELECT received_at INTO v_seen FROM events WHERE seq >= v_high ORDER BY seq LIMIT 1;
        EXIT WHEN v_seen IS NULL OR v_seen >= v_at;
        v_low := v_high + 1;
        v_high := least(v_end, v_high + v_stride);
        v_stride := v_stride * 2;
      END LOOP;
      v_high := least(v_end, v_high);
      WHILE v_low < v_high LOOP
        v_mid := (v_low + v_high) / 2;
        SELECT received_at INTO v_seen FROM events WHERE seq >= v_mid ORDER BY seq LIMIT 1;
        IF v_seen < v_at THEN v_low := v_mid + 1; ELSE v_high := v_mid; END IF;
      END LOOP;
    END IF;
    v_all := v_all || v_low;
  END LOOP;
  RETURN v_all;
END $$;

-- Times in which a system is not called although it might answer. Those that a deployment declares are in its settings.
CREATE TABLE maintenance (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  system   smallint NOT NULL,
  from_at  timestamptz NOT NULL,
  until_at timestamptz NOT NULL,
  note     text,
  actor    text NOT NULL,
  CHECK (until_at > from_at)
);
CREATE INDEX maintenance_by_system ON maintenance (system, until_at);

-- Answers the window's id; null: there is no such system, or it has 100 windows ahead already.
CREATE FUNCTION set_maintenance(
  p_system text, p_from timestamptz, p_until timestamptz, p_note text, p_actor text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_system smallint;
  v_id bigint;
BEGIN
  UPDATE systems SET version = version + 1 WHERE name = p_system RETURNING id INTO v_system;
  IF NOT FOUND OR (SELECT count(*) FROM maintenance m WHERE m.system = v_system AND m.until_at > clock_timestamp()) >= 100 THEN
    RETURN NULL;
  END IF;
  DELETE FROM maintenance m WHERE m.system = v_system AND m.until_at < clock_timestamp() - interval '90 days';
  INSERT INTO maintenance (system, from_at, until_at, note, actor) VALUES (v_system, p_from, p_until, p_note, p_actor)
  RETURNING id INTO v_id;
  PERFORM note_system_change(v_system, 'maintenance', p_note);
  INSERT INTO audit (actor, verb, object, reason, after)
  VALUES (p_actor, 'maintain', 'system ' || p_system, p_note, jsonb_build_object('window', v_id, 'from', p_from, 'until', p_until));
  RETURN v_id;
END $$;

-- Ends a window now, or takes it back before it has begun. False when there is none that could be ended.
CREATE FUNCTION end_maintenance(p_system text, p_id bigint, p_actor text, p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_window maintenance;
BEGIN
  SELECT m.* INTO v_window FROM maintenance m JOIN systems s ON s.id = m.system
  WHERE m.id = p_id AND s.name = p_system AND m.until_at > clock_timestamp() FOR UPDATE OF m;
  IF NOT FOUND THEN RETURN false; END IF;
  IF v_window.from_at >= clock_timestamp() THEN
    DELETE FROM maintenance WHERE id = p_id;
  ELSE
    UPDATE maintenance SET until_at = greatest(clock_timestamp(), from_at + interval '1 ms') WHERE id = p_id;
  END IF;
  UPDATE systems SET version = version + 1 WHERE id = v_window.system;
  INSERT INTO audit (actor, verb, object, reason, before)
  VALUES (p_actor, 'end maintenance', 'system ' || p_system, p_reason,
          jsonb_build_object('window', p_id, 'from', v_window.from_at, 'until', v_window.until_at));
  RETURN true;
END $$;

-- Calls that a person asks for to see whether a system answers. A worker that calls the system makes them.
CREATE TABLE system_tests (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  system   smallint NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor    text NOT NULL,
  worker   text,                               -- null: nobody has begun it
  ended_at timestamptz,
  outcome  text CHECK (outcome IN ('answered', 'failed', 'not-made')),
  class    text,
  status   smallint,
  ms       integer,
  message  text
);
CREATE INDEX system_tests_by_system ON system_tests (system, id);
CREATE INDEX system_tests_open ON system_tests (system, id) WHERE ended_at IS NULL AND worker IS NULL;

-- Asks for a test call, or joins the one that was asked for just now. The newest 100 are kept. Null: no such system.
CREATE FUNCTION ask_test(p_system text, p_actor text, p_reason text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_system smallint;
  v_id bigint;
BEGIN
  SELECT s.id INTO v_system FROM systems s WHERE s.name = p_system FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT t.id INTO v_id FROM system_tests t
  WHERE t.system = v_system AND t.ended_at IS NULL AND t.asked_at > clock_timestamp() - interval '30 s' ORDER BY t.id DESC LIMIT 1;
  IF FOUND THEN RETURN v_id; END IF;
  INSERT INTO system_tests (system, actor) VALUES (v_system, p_actor) RETURNING id INTO v_id;
  DELETE FROM system_tests t WHERE t.system = v_system AND t.id <= (
    SELECT o.id FROM system_tests o WHERE o.system = v_system ORDER BY o.id DESC OFFSET 100 LIMIT 1);
  INSERT INTO audit (actor, verb, object, reason, after)
  VALUES (p_actor, 'test', 'system ' || p_system, p_reason, jsonb_build_object('test', v_id));
  RETURN v_id;
END $$;

-- Records what a test call came to. A system that answers is not left waiting: its next try is due at once.
CREATE FUNCTION end_test(
  p_id bigint, p_outcome text, p_class text, p_status integer, p_ms integer, p_message text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_system smallint;
BEGIN
  UPDATE system_tests SET ended_at = clock_timestamp(), outcome = p_outcome, class = p_class, status = p_status, ms = p_ms, message = p_message
  WHERE id = p_id AND ended_at IS NULL RETURNING system INTO v_system;
  IF FOUND AND p_outcome = 'answered' THEN
    UPDATE systems SET probe_at = least(probe_at, clock_timestamp()), version = version + 1 WHERE id = v_system AND breaker = 'open';
  END IF;
END $$;

-- What credentials a system is called with, and how old they are; never the credentials.
CREATE TABLE system_credentials (
  system      smallint PRIMARY KEY,
  kind        text NOT NULL,
  obtained_at timestamptz,
  expires_at  timestamptz
);

-- How often a kind of thing has changed, for those who watch: a sequence is read and raised without a lock.
CREATE SEQUENCE problem_changes;
CREATE SEQUENCE replay_changes;
CREATE SEQUENCE bulk_changes;
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM nextval(tg_argv[0]::regclass);
  RETURN NULL;
END $$;
CREATE TRIGGER problems_changed AFTER INSERT OR UPDATE OR DELETE ON problems
FOR EACH ROW EXECUTE FUNCTION note_change('problem_changes');
CREATE TRIGGER replays_changed AFTER INSERT OR UPDATE OR DELETE ON replays
FOR EACH ROW EXECUTE FUNCTION note_change('replay_changes');
CREATE TRIGGER bulk_acts_changed AFTER INSERT OR UPDATE OR DELETE ON bulk_acts
FOR EACH ROW EXECUTE FUNCTION note_change('bulk_changes');
