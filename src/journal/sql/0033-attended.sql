-- A session is used by people: what an open console asks by itself finds it, and does not keep it from ending.
DROP FUNCTION find_session(text, integer);

-- Whose session a token is, by the primary key; when a person used it is noted once a minute, so that a reader seldom writes.
CREATE FUNCTION find_session(p_hash text, p_idle integer, p_attended boolean)
RETURNS TABLE (id text, user_id bigint, name text, role text, systems text[]) LANGUAGE plpgsql AS $$
DECLARE v sessions;
BEGIN
  SELECT * INTO v FROM sessions s WHERE s.hash = p_hash AND s.expires_at > clock_timestamp()
    AND s.seen_at > clock_timestamp() - p_idle * interval '1 second';
  IF NOT FOUND THEN RETURN; END IF;
  IF p_attended AND v.seen_at < clock_timestamp() - least(60, p_idle / 4) * interval '1 second' THEN
    UPDATE sessions s SET seen_at = clock_timestamp() WHERE s.hash = p_hash;
  END IF;
  RETURN QUERY SELECT v.id, u.id, u.name::text, u.role, CASE WHEN u.role = 'operator' THEN u.systems END FROM users u WHERE u.id = v.user_id AND u.disabled_at IS NULL;
END $$;
