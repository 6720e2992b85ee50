-- How far each transport has carried the log to its broker, and who does it: one relay at a time, by a lease. Two at once
-- do no harm but send events twice, so nothing else is fenced.
CREATE TABLE log_relays (
  transport text COLLATE "C" PRIMARY KEY,
  position  bigint NOT NULL,
  holder    text,
  until     timestamptz NOT NULL DEFAULT '-infinity'
);

-- Queues that were declared for partitions of lane groups, so that those can be found which nobody needs any more.
CREATE TABLE broker_queues (
  transport   text COLLATE "C" NOT NULL,
  queue       text COLLATE "C" NOT NULL,
  grp         text COLLATE "C" NOT NULL,
  part        integer NOT NULL,
  parts       integer NOT NULL,
  declared_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (transport, queue)
);

-- Takes or renews the lease, and moves the position on; answers the position, or null while another holds it. A transport
-- begins at the log's end: what is before it, workers read themselves.
CREATE FUNCTION hold_log_relay(p_transport text, p_holder text, p_lease_ms double precision, p_position bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_position bigint;
BEGIN
  INSERT INTO log_relays (transport, position) VALUES (p_transport, (SELECT coalesce(max(seq), 0) FROM events))
  ON CONFLICT (transport) DO NOTHING;
  UPDATE log_relays r
  SET holder = p_holder, until = clock_timestamp() + p_lease_ms * interval '1 ms',
      position = CASE WHEN r.holder = p_holder THEN greatest(r.position, p_position) ELSE r.position END
  WHERE r.transport = p_transport AND (r.holder = p_holder OR r.until < clock_timestamp())
  RETURNING r.position INTO v_position;
  RETURN v_position;
END $$;
