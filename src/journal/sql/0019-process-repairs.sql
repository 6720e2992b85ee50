-- Runs that are parked beside their lane (onParked 'continue') and are to be compensated at a time.

CREATE INDEX runs_parked_until ON runs (grp, next_at) WHERE state = 4 AND NOT holds AND awaits IS NOT NULL;

-- Those whose time has come hold their lane again, and are due: how many there were. A lane that is not there cannot be
-- due, hence this beside the poll for due lanes. The time is a variable, so that next_at is a condition of the index.
CREATE FUNCTION wake_parked(p_grp text, p_part integer, p_parts integer, p_epoch bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_keys text[];
  v_khash integer[];
  v_count integer;
BEGIN
  PERFORM fence(p_grp, p_part, p_epoch);
  SELECT array_agg(k.key), array_agg(k.khash) INTO v_keys, v_khash FROM (
    SELECT r.key, min(r.khash) AS khash FROM runs r                            -- runs_parked_until
    WHERE r.grp = p_grp AND r.state = 4 AND NOT r.holds AND r.awaits IS NOT NULL AND r.next_at <= v_now AND r.khash % p_parts = p_part
    GROUP BY r.key ORDER BY min(r.next_at) LIMIT 100
  ) k;
  IF v_keys IS NULL THEN RETURN 0; END IF;
  PERFORM lock_lanes(p_grp, v_keys, v_khash);
  UPDATE runs r SET state = 2, holds = true, awaits = NULL
  WHERE r.grp = p_grp AND r.key = ANY (v_keys) AND r.state = 4 AND NOT r.holds AND r.awaits IS NOT NULL AND r.next_at <= v_now;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  PERFORM settle_lanes(p_grp, v_keys);
  RETURN v_count;
END $$;
