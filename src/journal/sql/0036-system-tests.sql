-- What a test call has sent and what was answered, as attempts record it: bounded, without what must not be shown.
ALTER TABLE system_tests ADD request text, ADD response text;

DROP FUNCTION end_test(bigint, text, text, integer, integer, text);

-- Records what a test call came to. A system that answers is not left waiting: its next try is due at once.
CREATE FUNCTION end_test(
  p_id bigint, p_outcome text, p_class text, p_status integer, p_ms integer, p_message text, p_request text, p_response text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_system smallint;
BEGIN
  UPDATE system_tests
  SET ended_at = clock_timestamp(), outcome = p_outcome, class = p_class, status = p_status, ms = p_ms, message = p_message,
      request = p_request, response = p_response
  WHERE id = p_id AND ended_at IS NULL RETURNING system INTO v_system;
  IF FOUND AND p_outcome = 'answered' THEN
    UPDATE systems SET probe_at = least(probe_at, clock_timestamp()), version = version + 1 WHERE id = v_system AND breaker = 'open';
  END IF;
END $$;
