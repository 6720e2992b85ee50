-- What is left of sign-ins that fail: one row of a user, and an entry of the audit trail when they are many. Names that are
-- nobody's leave nothing.
CREATE TABLE failed_sign_ins (
  user_id  bigint PRIMARY KEY REFERENCES users,
  tries    integer NOT NULL,                          -- since the last entry, or the last time the user came in
  last_at  timestamptz NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT '-infinity'   -- when the last entry was written
) WITH (fillfactor = 70);

-- Counts a try that has failed; p_many of them make an entry, and there is at most one in p_every seconds.
CREATE FUNCTION note_failed_sign_in(p_user bigint, p_many integer, p_every integer, p_address text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_user users; v failed_sign_ins;
BEGIN
  SELECT * INTO v_user FROM users u WHERE u.id = p_user;
  IF NOT FOUND THEN RETURN; END IF;
  INSERT INTO failed_sign_ins AS f (user_id, tries, last_at) VALUES (p_user, 1, clock_timestamp())
  ON CONFLICT (user_id) DO UPDATE
    SET tries = CASE WHEN v_user.signed_in_at > f.last_at THEN 1 ELSE f.tries + 1 END, last_at = excluded.last_at
  RETURNING * INTO v;
  IF v.tries < p_many OR v.noted_at > clock_timestamp() - p_every * interval '1 second' THEN RETURN; END IF;
  UPDATE failed_sign_ins f SET tries = 0, noted_at = clock_timestamp() WHERE f.user_id = p_user;
  INSERT INTO audit (actor, verb, object, after)
  VALUES ('nobody', 'fail to sign in', 'user ' || v_user.name, jsonb_build_object('tries', v.tries, 'address', p_address));
END $$;
