-- Who may sign in, their sessions, one-time links, and the chain that seals the audit trail.

-- Names are never given a second time, so that the audit trail stays clear: a user is disabled, not removed.
CREATE TABLE users (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name         text COLLATE "C" NOT NULL UNIQUE,
  role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  systems      text[],                        -- of an operator; null: not limited. Kept while single sign-on gives another role
  password     text,                          -- a hash with its parameters; null: none was set
  subject      text COLLATE "C" UNIQUE,       -- issuer and subject of single sign-on
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  signed_in_at timestamptz,
  disabled_at  timestamptz
);

-- The token itself is held by the browser alone.
CREATE TABLE sessions (
  hash       text COLLATE "C" PRIMARY KEY,    -- SHA-256 of the token
  id         text COLLATE "C" NOT NULL UNIQUE,
  user_id    bigint NOT NULL REFERENCES users,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  address    text NOT NULL,
  agent      text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Links by which a password is set, once: the first admin's, an invitation's, a reset's.
CREATE TABLE one_time_links (
  hash       text COLLATE "C" PRIMARY KEY,
  kind       text NOT NULL CHECK (kind IN ('first', 'invite', 'reset')),
  user_id    bigint REFERENCES users,         -- null: the first admin gives its own name
  expires_at timestamptz NOT NULL
);
CREATE INDEX one_time_links_by_user ON one_time_links (user_id);

-- Tries to sign in, by account and by address; a try counts as failed until it has succeeded.
CREATE TABLE sign_in_tries (
  bucket  text COLLATE "C" PRIMARY KEY,
  failed  integer NOT NULL,
  last_at timestamptz NOT NULL,
  next_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sign_in_tries_by_time ON sign_in_tries (last_at);

-- Sign-ins that are under way at the provider of single sign-on.
CREATE TABLE oidc_sign_ins (
  hash       text COLLATE "C" PRIMARY KEY,
  verifier   text NOT NULL,
  state      text NOT NULL,
  nonce      text NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_sign_ins_by_expiry ON oidc_sign_ins (expires_at);

-- Whoever may leave busbar without an admin takes this first.
CREATE FUNCTION lock_users() RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(('users'::regclass::oid::bigint << 16) | 1)
$$;

CREATE FUNCTION create_first_link(p_hash text, p_seconds integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM one_time_links l WHERE l.expires_at < clock_timestamp();
  IF EXISTS (SELECT FROM users) THEN RETURN false; END IF;
  INSERT INTO one_time_links VALUES (p_hash, 'first', NULL, clock_timestamp() + p_seconds * interval '1 second');
  RETURN true;
END $$;

CREATE FUNCTION invite_user(p_name text, p_role text, p_systems text[], p_hash text, p_seconds integer, p_actor text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_id bigint;
BEGIN
  INSERT INTO users (name, role, systems) VALUES (p_name, p_role, p_systems) ON CONFLICT (name) DO NOTHING RETURNING id INTO v_id;
  IF v_id IS NULL THEN RETURN 'taken'; END IF;
  INSERT INTO one_time_links VALUES (p_hash, 'invite', v_id, clock_timestamp() + p_seconds * interval '1 second');
  INSERT INTO audit (actor, verb, object, after)
  VALUES (p_actor, 'invite', 'user ' || p_name, jsonb_build_object('role', p_role, 'systems', p_systems));
  RETURN 'done';
END $$;

-- A new link ends the older ones of the same user.
CREATE FUNCTION link_for_user(p_name text, p_hash text, p_seconds integer, p_actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_user users;
BEGIN
  SELECT * INTO v_user FROM users u WHERE u.name = p_name FOR UPDATE;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  IF v_user.disabled_at IS NOT NULL THEN RETURN 'disabled'; END IF;
  DELETE FROM one_time_links l WHERE l.user_id = v_user.id;
  INSERT INTO one_time_links
  VALUES (p_hash, CASE WHEN v_user.password IS NULL THEN 'invite' ELSE 'reset' END, v_user.id, clock_timestamp() + p_seconds * interval '1 second');
  INSERT INTO audit (actor, verb, object) VALUES (p_actor, 'link', 'user ' || p_name);
  RETURN 'done';
END $$;

-- Uses a link up: sets the password, ends every session of the user. The first admin's counts while there is no user.
CREATE FUNCTION use_link(p_hash text, p_name text, p_password text, OUT result text, OUT id bigint, OUT name text)
LANGUAGE plpgsql AS $$
DECLARE v_link one_time_links; v_user users;
BEGIN
  PERFORM lock_users();
  DELETE FROM one_time_links l WHERE l.hash = p_hash AND l.expires_at > clock_timestamp() RETURNING * INTO v_link;
  IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
  IF v_link.kind = 'first' THEN
    IF EXISTS (SELECT FROM users) THEN result := 'absent'; RETURN; END IF;
    INSERT INTO users AS u (name, role, password) VALUES (p_name, 'admin', p_password) RETURNING u.* INTO v_user;
    DELETE FROM one_time_links l WHERE l.kind = 'first';
  ELSE
    UPDATE users u SET password = p_password WHERE u.id = v_link.user_id AND u.disabled_at IS NULL RETURNING u.* INTO v_user;
    IF NOT FOUND THEN result := 'absent'; RETURN; END IF;
    DELETE FROM sessions s WHERE s.user_id = v_user.id;
  END IF;
  INSERT INTO audit (actor, verb, object, after)
  VALUES ('user:' || v_user.name, CASE v_link.kind WHEN 'reset' THEN 'set password' ELSE 'join' END, 'user ' || v_user.name,
          jsonb_build_object('role', v_user.role, 'systems', v_user.systems));
  result := 'done'; id := v_user.id; name := v_user.name;
END $$;

-- What is null stays; p_limit says whether p_systems counts. Refuses to leave busbar without an admin.
CREATE FUNCTION change_user(p_name text, p_role text, p_limit boolean, p_systems text[], p_disabled boolean, p_actor text, p_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_user users; v_new users;
BEGIN
  PERFORM lock_users();
  SELECT * INTO v_user FROM users u WHERE u.name = p_name FOR UPDATE;
  IF NOT FOUND THEN RETURN 'absent'; END IF;
  v_new := v_user;
  v_new.role := coalesce(p_role, v_user.role);
  v_new.systems := CASE WHEN p_role <> 'operator' THEN NULL WHEN p_limit THEN p_systems ELSE v_user.systems END;
  v_new.disabled_at := CASE WHEN p_disabled THEN coalesce(v_user.disabled_at, clock_timestamp()) WHEN NOT p_disabled THEN NULL ELSE v_user.disabled_at END;
  IF v_new IS NOT DISTINCT FROM v_user THEN RETURN 'done'; END IF;
  IF v_user.role = 'admin' AND v_user.disabled_at IS NULL AND (v_new.role <> 'admin' OR v_new.disabled_at IS NOT NULL)
     AND NOT EXISTS (SELECT FROM users u WHERE u.role = 'admin' AND u.disabled_at IS NULL AND u.id <> v_user.id
                     AND (u.password IS NOT NULL OR u.subject IS NOT NULL))
  THEN RETURN 'last'; END IF;
  UPDATE users u SET role = v_new.role, systems = v_new.systems, disabled_at = v_new.disabled_at WHERE u.id = v_user.id;
  IF v_new.role <> v_user.role OR v_new.disabled_at IS NOT NULL THEN DELETE FROM sessions s WHERE s.user_id = v_user.id; END IF;
  IF v_new.disabled_at IS NOT NULL THEN DELETE FROM one_time_links l WHERE l.user_id = v_user.id; END IF;
  INSERT INTO audit (actor, verb, object, reason, before, after)
  VALUES (p_actor, CASE WHEN v_new.disabled_at IS NOT NULL AND v_user.disabled_at IS NULL THEN 'disable'
                        WHEN v_new.disabled_at IS NULL AND v_user.disabled_at IS NOT NULL THEN 'enable' ELSE 'change' END,
          'user ' || p_name, p_reason,
          jsonb_build_object('role', v_user.role, 'systems', v_user.systems, 'disabled', v_user.disabled_at IS NOT NULL),
          jsonb_build_object('role', v_new.role, 'systems', v_new.systems, 'disabled', v_new.disabled_at IS NOT NULL));
  RETURN 'done';
END $$;

-- A new password ends all other sessions and links of the user; the own one goes on under a new token.
CREATE FUNCTION change_password(p_user bigint, p_password text, p_old_hash text, p_new_hash text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_name text;
BEGIN
  UPDATE users u SET password = p_password WHERE u.id = p_user RETURNING u.name INTO v_name;
  DELETE FROM sessions s WHERE s.user_id = p_user AND s.hash <> p_old_hash;
  DELETE FROM one_time_links l WHERE l.user_id = p_user;
  UPDATE sessions s SET hash = p_new_hash WHERE s.hash = p_old_hash AND s.user_id = p_user;
  INSERT INTO audit (actor, verb, object) VALUES ('user:' || v_name, 'set password', 'user ' || v_name);
END $$;

-- The user of a subject at the provider: made when it is new, its role as the provider says now.
CREATE FUNCTION oidc_user(p_subject text, p_name text, p_role text) RETURNS SETOF users LANGUAGE plpgsql AS $$
DECLARE v_user users;
BEGIN
  PERFORM lock_users();
  SELECT * INTO v_user FROM users u WHERE u.subject = p_subject FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO users AS u (name, role, subject) VALUES (p_name, p_role, p_subject) ON CONFLICT (name) DO NOTHING RETURNING u.* INTO v_user;
    IF v_user.id IS NULL THEN RETURN; END IF;
    INSERT INTO audit (actor, verb, object, after)
    VALUES ('user:' || v_user.name, 'join', 'user ' || v_user.name, jsonb_build_object('role', p_role, 'by', 'single sign-on'));
  ELSIF v_user.role <> p_role AND v_user.disabled_at IS NULL THEN
    INSERT INTO audit (actor, verb, object, before, after)
    VALUES ('single sign-on', 'change', 'user ' || v_user.name, jsonb_build_object('role', v_user.role), jsonb_build_object('role', p_role));
    DELETE FROM sessions s WHERE s.user_id = v_user.id;
    UPDATE users u SET role = p_role WHERE u.id = v_user.id RETURNING u.* INTO v_user;
  END IF;
  RETURN NEXT v_user;
END $$;

-- At most p_most sessions a user: the oldest end.
-- p_password: the hash by which the person was known, which must not have been changed meanwhile; null: known otherwise.
CREATE FUNCTION begin_session(p_user bigint, p_hash text, p_id text, p_seconds integer, p_most integer, p_address text, p_agent text, p_password text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_name text;
BEGIN
  UPDATE users u SET signed_in_at = clock_timestamp() WHERE u.id = p_user AND u.disabled_at IS NULL AND (p_password IS NULL OR u.password = p_password) RETURNING u.name INTO v_name;
  IF v_name IS NULL THEN RETURN false; END IF;
  DELETE FROM sessions s WHERE s.expires_at < clock_timestamp();
  DELETE FROM sessions s WHERE s.hash IN (SELECT o.hash FROM sessions o WHERE o.user_id = p_user ORDER BY o.created_at DESC OFFSET p_most - 1);
  INSERT INTO sessions (hash, id, user_id, expires_at, address, agent)
  VALUES (p_hash, p_id, p_user, clock_timestamp() + p_seconds * interval '1 second', p_address, p_agent);
  INSERT INTO audit (actor, verb, object, after)
  VALUES ('user:' || v_name, 'sign in', 'user ' || v_name, jsonb_build_object('address', p_address));
  RETURN true;
END $$;

-- Whose session a token is, by the primary key; when it was used is noted once a minute, so that a reader seldom writes.
CREATE FUNCTION find_session(p_hash text, p_idle integer) RETURNS TABLE (id text, user_id bigint, name text, role text, systems text[])
LANGUAGE plpgsql AS $$
DECLARE v sessions;
BEGIN
  SELECT * INTO v FROM sessions s WHERE s.hash = p_hash AND s.expires_at > clock_timestamp()
    AND s.seen_at > clock_timestamp() - p_idle * interval '1 second';
  IF NOT FOUND THEN RETURN; END IF;
  IF v.seen_at < clock_timestamp() - least(60, p_idle / 4) * interval '1 second' THEN
    UPDATE sessions s SET seen_at = clock_timestamp() WHERE s.hash = p_hash;
  END IF;
  RETURN QUERY SELECT v.id, u.id, u.name::text, u.role, CASE WHEN u.role = 'operator' THEN u.systems END FROM users u WHERE u.id = v.user_id AND u.disabled_at IS NULL;
END $$;

-- Seconds to wait before this may be tried; 0: it may be tried now, and counts as failed in each bucket until undone.
-- p_free tries pass at once, each later one doubles the wait; each p_longest without a try forgets one.
CREATE FUNCTION count_sign_in(p_buckets text[], p_free integer[], p_first integer, p_longest integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_now timestamptz; v_wait integer; r record;
BEGIN
  -- Who must wait writes nothing.
  SELECT ceil(extract(epoch FROM max(t.next_at) - clock_timestamp())) INTO v_wait FROM sign_in_tries t
  WHERE t.bucket = ANY (p_buckets) AND t.next_at > clock_timestamp();
  IF v_wait > 0 THEN RETURN v_wait; END IF;
  DELETE FROM sign_in_tries t WHERE t.last_at < clock_timestamp() - interval '1 day';
  INSERT INTO sign_in_tries SELECT b, 0, clock_timestamp(), '-infinity' FROM unnest(p_buckets) b ORDER BY b ON CONFLICT DO NOTHING;
  PERFORM FROM sign_in_tries t WHERE t.bucket = ANY (p_buckets) ORDER BY t.bucket FOR UPDATE;
  v_now := clock_timestamp();
  SELECT ceil(extract(epoch FROM max(t.next_at) - v_now)) INTO v_wait FROM sign_in_tries t WHERE t.bucket = ANY (p_buckets) AND t.next_at > v_now;
  IF v_wait > 0 THEN RETURN v_wait; END IF;
  FOR r IN SELECT b, f FROM unnest(p_buckets, p_free) AS x (b, f) LOOP
    UPDATE sign_in_tries t
    SET failed = greatest(0, t.failed - floor(extract(epoch FROM v_now - t.last_at) / p_longest)::integer) + 1, last_at = v_now
    WHERE t.bucket = r.b;
    UPDATE sign_in_tries t
    SET next_at = v_now + least(p_longest, p_first * 2 ^ least(t.failed - r.f, 20)) * interval '1 second'
    WHERE t.bucket = r.b AND t.failed >= r.f;
  END LOOP;
  RETURN 0;
END $$;

-- The try succeeded: the account begins anew, the address gets this one back.
CREATE FUNCTION forget_sign_in(p_account text, p_address text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM sign_in_tries t WHERE t.bucket = p_account;
  UPDATE sign_in_tries t SET failed = greatest(0, t.failed - 1), next_at = '-infinity' WHERE t.bucket = p_address;
END $$;

-- The chain: each entry of the audit trail has its number and a hash over the hash before it and the entry's own text.
CREATE TABLE audit_chain (
  number bigint PRIMARY KEY,                  -- 1, 2, 3 …, in the order of commits
  entry  bigint NOT NULL UNIQUE,              -- audit.id
  hash   bytea NOT NULL
);

CREATE FUNCTION audit_hash(p_before bytea, p_number bigint, p_entry audit) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(p_before || convert_to(jsonb_build_array(
    p_number, p_entry.id, to_char(p_entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    p_entry.actor, p_entry.verb, p_entry.object, p_entry.reason, p_entry.before::text, p_entry.after::text)::text, 'UTF8'))
$$;

CREATE FUNCTION chain_audit(p_entry bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE v_last audit_chain; v_entry audit;
BEGIN
  SELECT * INTO v_last FROM audit_chain c ORDER BY c.number DESC LIMIT 1;
  SELECT * INTO v_entry FROM audit a WHERE a.id = p_entry;
  INSERT INTO audit_chain
  VALUES (coalesce(v_last.number, 0) + 1, p_entry, audit_hash(coalesce(v_last.hash, ''), coalesce(v_last.number, 0) + 1, v_entry));
END $$;

-- Runs at the commit of the act, after all it has locked: what it holds of the chain it holds for the commit alone, and
-- nobody who holds the chain waits for a row. (A trigger at the insert would hold the chain while an act of many runs goes
-- on locking them, and deadlock with another.)
CREATE FUNCTION seal_audit() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(('audit_chain'::regclass::oid::bigint << 16) | 1);
  PERFORM chain_audit(NEW.id);
  RETURN NULL;
END $$;

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  -- An act may complete its own entry before it commits.
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit' THEN
    IF NOT EXISTS (SELECT FROM audit_chain c WHERE c.entry = OLD.id) THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only: % of % is refused', TG_OP, TG_TABLE_NAME;
END $$;

DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT id FROM audit ORDER BY id LOOP PERFORM chain_audit(r.id); END LOOP;
END $$;

CREATE CONSTRAINT TRIGGER audit_sealed AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION seal_audit();
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_chain_kept BEFORE UPDATE OR DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_chain_not_emptied BEFORE TRUNCATE ON audit_chain FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE INDEX audit_by_actor ON audit (actor, id);
CREATE INDEX audit_by_verb ON audit (verb, id);
CREATE INDEX audit_by_kind ON audit (split_part(object, ' ', 1), id);
