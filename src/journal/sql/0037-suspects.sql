-- A doubt never moves back. The lease of a dead owner may have ended before that of the one before it, if it took the group
-- and never reached the journal again: what the earlier one sent after that moment is in doubt all the same.

-- As in 0004; suspect_at is the latest of what is unresolved.
-- Ends a worker whose lease has run out. Its sessions first: one that was stopped inside a call would hold its locks for
-- as long as it is stopped. Then its groups get a new epoch and suspects, and its running runs are due again, in doubt.
CREATE OR REPLACE FUNCTION takeover(p_worker text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_lease timestamptz;
  v_group record;
BEGIN
  UPDATE workers SET dead = true WHERE id = p_worker AND NOT dead AND lease_until < clock_timestamp()
  RETURNING lease_until INTO v_lease;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'busbar:' || p_worker AND datname = current_database() AND pid <> pg_backend_pid();
  FOR v_group IN SELECT grp, part, parts FROM lane_groups WHERE owner = p_worker ORDER BY grp, part LOOP
    UPDATE lane_groups g
    SET owner = NULL, epoch = g.epoch + 1, unclean = g.unclean + 1,
        suspect_since = CASE WHEN g.suspect_to > 0 THEN least(g.suspect_since, g.flushed_at - interval '2 s')
                             ELSE g.flushed_at - interval '2 s' END,
        suspect_at = CASE WHEN g.suspect_to > 0 THEN greatest(g.suspect_at, v_lease) ELSE v_lease END,
        suspect_to = greatest(g.claimed_to, g.suspect_to)
    WHERE g.grp = v_group.grp AND g.part = v_group.part AND g.owner = p_worker;
    IF FOUND THEN PERFORM free_running(v_group.grp, v_group.part, v_group.parts, v_lease); END IF;
  END LOOP;
  RETURN true;
END $$;

-- As in 0012; maybe_at may be from the owner before.
-- Runs that were running when their owner ended: due again, their effect in doubt. Only a run that was inside the
-- user's code counts a crash: one that merely waited for an answer may have been killed along with its worker. The life of an
-- idempotency key runs from the claim at the latest: the attempt came after it, and the row says nothing of that.
CREATE OR REPLACE FUNCTION free_running(p_grp text, p_part integer, p_parts integer, p_sent_by timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[];
  v_khash integer[];
BEGIN
  SELECT array_agg(k.key), array_agg(k.khash) INTO v_keys, v_khash FROM (
    SELECT r.key, min(r.khash) AS khash FROM runs r       -- runs_running_by_lane
    WHERE r.state = 3 AND r.grp = p_grp AND r.khash % p_parts = p_part GROUP BY r.key
  ) k;
  IF v_keys IS NULL THEN RETURN; END IF;
  PERFORM lock_lanes(p_grp, v_keys, v_khash);
  UPDATE runs r
  SET state = 2, next_at = clock_timestamp(), maybe_at = greatest(r.maybe_at, p_sent_by), first_at = coalesce(r.first_at, r.claimed_at),
      crashes = r.crashes + r.phase, phase = 0,
      reason = 'its worker ended; the outcome of its last attempt is not known'
  WHERE r.state = 3 AND r.grp = p_grp AND r.key = ANY (v_keys);
  PERFORM settle_lanes(p_grp, v_keys);
END $$;
