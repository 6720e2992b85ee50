-- Alerts out: what people are told about problems, over which channels, and what became of each message. One process at a
-- time tells, by a lease. It compares how each problem stands with what was told of it last, so nothing on the path of
-- events writes a thing for alerts, and what comes and goes between two looks is told once or not at all.

CREATE TABLE alert_sender (
  one        boolean PRIMARY KEY DEFAULT true CHECK (one),
  holder     text,
  until      timestamptz NOT NULL DEFAULT '-infinity',
  written_at timestamptz NOT NULL DEFAULT '-infinity'  -- when the last message was written
);
INSERT INTO alert_sender DEFAULT VALUES;

-- The channels of the configuration that was deployed last, without secrets: for people to look at.
CREATE TABLE alert_channels (
  name    text COLLATE "C" PRIMARY KEY,
  hub     text NOT NULL,
  kind    text NOT NULL,
  address text NOT NULL,
  tells   text[] NOT NULL,
  said_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- told: open, person (somebody must act), resolved; null: nothing yet.
CREATE TABLE alert_standings (
  fp         text COLLATE "C" PRIMARY KEY,
  told       text CHECK (told IN ('open', 'person', 'resolved')),
  told_at    timestamptz,
  changed_at timestamptz,                  -- since then it stands otherwise than was told
  streak     smallint NOT NULL DEFAULT 0   -- messages that followed each other closely
);
CREATE INDEX alert_standings_live ON alert_standings (fp) WHERE told IS DISTINCT FROM 'resolved';
CREATE INDEX alert_standings_changed ON alert_standings (changed_at) WHERE changed_at IS NOT NULL;
CREATE INDEX alert_standings_past ON alert_standings (told_at) WHERE told = 'resolved';

CREATE TABLE alert_deliveries (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  channel  text COLLATE "C" NOT NULL,
  message  jsonb NOT NULL,
  test     boolean NOT NULL DEFAULT false,
  state    text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
  tries    integer NOT NULL DEFAULT 0,
  next_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  error    text
);
CREATE INDEX alert_deliveries_pending ON alert_deliveries (channel, next_at, id) WHERE state = 'pending';
CREATE INDEX alert_deliveries_by_channel ON alert_deliveries (channel, id);

-- Takes or renews the lease; false while another process holds it.
CREATE FUNCTION hold_alert_sender(p_holder text, p_lease_ms double precision) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE alert_sender SET holder = p_holder, until = clock_timestamp() + p_lease_ms * interval '1 ms'
  WHERE holder = p_holder OR until < clock_timestamp();
  RETURN FOUND;
END $$;

-- How a problem stands, as far as people are told: what somebody has acknowledged or ignored is quiet.
CREATE FUNCTION alert_standing(p problems) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE p.state WHEN 'resolved' THEN 'resolved' WHEN 'open' THEN CASE WHEN needs_person(p) THEN 'person' ELSE 'open' END
    ELSE 'quiet' END;
$$;

-- The shortest time between two messages about one problem: twice as long each time while they follow each other.
CREATE FUNCTION alert_quiet(p_quiet_ms double precision, p_streak smallint) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
  SELECT least(p_quiet_ms * 2 ^ p_streak, greatest(p_quiet_ms, 3600000)) * interval '1 ms';
$$;

-- What is to be told now: problems that stand otherwise than was told, for so long that it is no flutter, and not too soon
-- after the last message about them. That somebody is needed does not wait for that.
CREATE FUNCTION look_for_alerts(p_holder text, p_settle_ms double precision, p_quiet_ms double precision)
RETURNS TABLE (fp text, told text, standing text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_settle interval := p_settle_ms * interval '1 ms';
  v_written timestamptz;
BEGIN
  SELECT a.written_at INTO v_written FROM alert_sender a WHERE a.holder = p_holder AND a.until > v_now FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;

  INSERT INTO alert_standings (fp)
  SELECT p.fp FROM problems p WHERE p.state = 'open' ORDER BY p.last_seen DESC LIMIT 1000   -- problems_by_last_seen
  ON CONFLICT DO NOTHING;

  UPDATE alert_standings s
  SET changed_at = CASE WHEN n.standing <> 'quiet' AND n.standing IS DISTINCT FROM s.told THEN coalesce(s.changed_at, v_now) END
  FROM (
    SELECT p.fp, alert_standing(p) AS standing FROM problems p
    WHERE p.fp = ANY (ARRAY(
      SELECT l.fp FROM alert_standings l WHERE l.told IS DISTINCT FROM 'resolved'            -- alert_standings_live
      UNION
      (SELECT o.fp FROM problems o WHERE o.state = 'open' ORDER BY o.last_seen DESC LIMIT 1000)))
  ) n
  WHERE s.fp = n.fp
    AND (s.changed_at IS NULL) = (n.standing <> 'quiet' AND n.standing IS DISTINCT FROM s.told);

  -- Over before anybody was told of it.
  DELETE FROM alert_standings s USING problems p
  WHERE s.told IS NULL AND p.fp = s.fp AND p.state <> 'open';

  IF v_written + v_settle > v_now THEN RETURN; END IF;
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT s.fp::text AS fp, s.told, alert_standing(p) AS standing, s.changed_at
    FROM alert_standings s JOIN problems p ON p.fp = s.fp
    WHERE s.changed_at <= v_now - v_settle / 2
      AND (s.told_at IS NULL OR s.told_at + alert_quiet(p_quiet_ms, s.streak) <= v_now
           OR (s.told = 'open' AND alert_standing(p) = 'person'))
    ORDER BY s.changed_at LIMIT 200
  )
  -- With what has lasted long enough goes what has half of it: one message, not two.
  SELECT d.fp, d.told, d.standing FROM due d
  WHERE EXISTS (SELECT FROM due o WHERE o.changed_at <= v_now - v_settle);
END $$;

-- Writes messages and what was told with them, or nothing: false when another process tells now.
CREATE FUNCTION record_alerts(p_holder text, p_told json, p_deliveries json, p_quiet_ms double precision)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  PERFORM FROM alert_sender a WHERE a.holder = p_holder AND a.until > v_now FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE alert_standings s
  SET told = t.standing, changed_at = NULL,
      streak = CASE WHEN NOT t.said THEN s.streak
                    WHEN s.told_at + 2 * alert_quiet(p_quiet_ms, s.streak) > v_now THEN least(s.streak + 1, 12) ELSE 0 END,
      told_at = CASE WHEN t.said THEN v_now ELSE s.told_at END
  FROM json_to_recordset(p_told) AS t (fp text, standing text, said boolean)
  WHERE s.fp = t.fp;
  INSERT INTO alert_deliveries (channel, message)
  SELECT d.channel, d.message FROM json_to_recordset(p_deliveries) AS d (channel text, message jsonb);
  IF FOUND THEN
    UPDATE alert_sender SET written_at = v_now;
    DELETE FROM alert_deliveries d WHERE d.id < (SELECT max(m.id) - 10000 FROM alert_deliveries m);
    DELETE FROM alert_standings s WHERE s.told = 'resolved' AND s.told_at < v_now - interval '30 days';
  END IF;
  RETURN true;
END $$;
