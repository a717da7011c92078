-- The least that each of the three accounts needs: exactly what the
-- statements of src/store/stmts.c need, column by column.  A test takes
-- each of these rights away in turn and sees a statement fail.
--
-- A template for the operator, run after each migration:
--
--	plugwayctl migrate
--	mariadb plugway < grants.sql
--
-- The accounts cannot sign in before they have a password:
--
--	ALTER USER 'plugway_worker'@'localhost' IDENTIFIED BY '...';
--
-- likewise for the other two, and then DATABASE_URL_WORKER,
-- DATABASE_URL_KEEPER and DATABASE_URL_REGISTRAR name them.  For a
-- database on another machine replace 'localhost' by the host that
-- plugway runs on, for instance
--
--	sed "s/'localhost'/'10.0.0.%'/" grants.sql | mariadb plugway
--
-- Migrations and plugwayctl's commands that change data use another
-- account, which owns the database.  Tables without a database's name
-- are those of the database that the client has chosen.

-- Parses requests: cannot read a sealed key nor its MAC, cannot change
-- one, cannot delete a user.
CREATE USER IF NOT EXISTS 'plugway_worker'@'localhost'
	IDENTIFIED VIA mysql_native_password USING 'invalid';
GRANT SELECT (id, user_id, key_hash, key_preview, name, config_type,
	    is_active, created_at, last_used_at, expires_at),
	INSERT (user_id, key_hash, key_preview, name, config_type,
	    is_active, created_at, expires_at),
	UPDATE (is_active),
	DELETE
	ON api_keys TO 'plugway_worker'@'localhost';
GRANT SELECT (one, last_id, last_hash),
	UPDATE (last_id, last_hash)
	ON audit_head TO 'plugway_worker'@'localhost';
GRANT INSERT (id, at, actor_kind, actor_id, action, subject,
	    request_id, detail, prev_hash, hash)
	ON audit_log TO 'plugway_worker'@'localhost';
GRANT INSERT (kind, ref, noted_at)
	ON changes TO 'plugway_worker'@'localhost';
GRANT SELECT (provider, subject, user_id),
	INSERT (provider, subject, user_id, created_at)
	ON identities TO 'plugway_worker'@'localhost';
GRANT SELECT (name, value)
	ON meta TO 'plugway_worker'@'localhost';
GRANT SELECT (state_hash, provider, verifier, nonce, browser,
	    return_to, expires_at),
	INSERT (state_hash, provider, verifier, nonce, browser,
	    return_to, expires_at),
	DELETE
	ON oauth_states TO 'plugway_worker'@'localhost';
GRANT SELECT (deleted_at)
	ON orphans TO 'plugway_worker'@'localhost';
GRANT SELECT (id, user_id, plugin_user_id, is_active, key_gen,
	    created_at, updated_at, last_used_at)
	ON plugin_api_keys TO 'plugway_worker'@'localhost';
GRANT SELECT (token_hash, session_id, expires_at, first_used_at),
	INSERT (token_hash, session_id, created_at, expires_at),
	UPDATE (first_used_at)
	ON refresh_tokens TO 'plugway_worker'@'localhost';
GRANT SELECT (state)
	ON registration_attempts TO 'plugway_worker'@'localhost';
GRANT SELECT (id, user_id, kind, state, fence, attempts, unknowns,
	    reason, detail, owner, plugin_user_id, lease_until, next_try_at,
	    queued_at, created_at, updated_at),
	INSERT (user_id, kind, next_try_at, queued_at, created_at,
	    updated_at),
	UPDATE (state, attempts, unknowns, reason, detail, lease_until,
	    next_try_at, queued_at, updated_at)
	ON registration_jobs TO 'plugway_worker'@'localhost';
GRANT SELECT (created_at, expires_at),
	INSERT (id, created_at, expires_at),
	UPDATE (id, created_at, expires_at)
	ON revoked_tokens TO 'plugway_worker'@'localhost';
GRANT SELECT (version)
	ON schema_migrations TO 'plugway_worker'@'localhost';
GRANT SELECT (id, user_id, expires_at, ended_at),
	INSERT (id, user_id, created_at, expires_at),
	UPDATE (refreshed_at, expires_at, ended_at)
	ON sessions TO 'plugway_worker'@'localhost';
GRANT SELECT (state_hash, user_id, expires_at),
	INSERT (state_hash, user_id, expires_at),
	UPDATE (state_hash, user_id, expires_at)
	ON upstream_states TO 'plugway_worker'@'localhost';
GRANT SELECT (id, username, password_hash, avatar_url, trust_level,
	    is_active, is_silenced, beta, sessions_valid_from_s, created_at,
	    last_login_at),
	INSERT (username, avatar_url, trust_level, created_at,
	    updated_at, last_login_at),
	UPDATE (avatar_url, trust_level, sessions_valid_from_s,
	    updated_at, last_login_at)
	ON users TO 'plugway_worker'@'localhost';

-- Opens keys for the workers and cleans up: reads sealed keys, changes
-- nothing but times of use and what has expired.
CREATE USER IF NOT EXISTS 'plugway_keeper'@'localhost'
	IDENTIFIED VIA mysql_native_password USING 'invalid';
GRANT SELECT (id, user_id, key_hash, key_preview, name, config_type,
	    is_active, created_at, last_used_at, expires_at),
	UPDATE (last_used_at)
	ON api_keys TO 'plugway_keeper'@'localhost';
GRANT SELECT (id, kind, ref, noted_at),
	DELETE
	ON changes TO 'plugway_keeper'@'localhost';
GRANT SELECT (name, owner, lease_until),
	INSERT (name, owner, lease_until),
	UPDATE (owner, lease_until)
	ON leases TO 'plugway_keeper'@'localhost';
GRANT SELECT (name, value),
	INSERT (name, value)
	ON meta TO 'plugway_keeper'@'localhost';
GRANT SELECT (expires_at),
	DELETE
	ON oauth_states TO 'plugway_keeper'@'localhost';
GRANT SELECT (deleted_at)
	ON orphans TO 'plugway_keeper'@'localhost';
GRANT SELECT (id, user_id, api_key, plugin_user_id, is_active,
	    key_gen, bind_mac, key_id, created_at, updated_at,
	    last_used_at),
	UPDATE (last_used_at)
	ON plugin_api_keys TO 'plugway_keeper'@'localhost';
GRANT SELECT (expires_at),
	DELETE
	ON refresh_tokens TO 'plugway_keeper'@'localhost';
GRANT SELECT (state)
	ON registration_attempts TO 'plugway_keeper'@'localhost';
GRANT SELECT (user_id, kind, state, reason, queued_at),
	INSERT (user_id, kind, next_try_at, queued_at, created_at,
	    updated_at),
	UPDATE (state, attempts, unknowns, reason, detail, lease_until,
	    next_try_at, queued_at, updated_at)
	ON registration_jobs TO 'plugway_keeper'@'localhost';
GRANT SELECT (id, created_at, expires_at),
	DELETE
	ON revoked_tokens TO 'plugway_keeper'@'localhost';
GRANT SELECT (version)
	ON schema_migrations TO 'plugway_keeper'@'localhost';
GRANT SELECT (expires_at),
	DELETE
	ON sessions TO 'plugway_keeper'@'localhost';
GRANT SELECT (expires_at),
	DELETE
	ON upstream_states TO 'plugway_keeper'@'localhost';
GRANT SELECT (id, is_active, sessions_valid_from_s)
	ON users TO 'plugway_keeper'@'localhost';

-- Opens accounts: writes sealed keys; reads no session and no token.
CREATE USER IF NOT EXISTS 'plugway_registrar'@'localhost'
	IDENTIFIED VIA mysql_native_password USING 'invalid';
GRANT SELECT (one, last_id, last_hash),
	UPDATE (last_id, last_hash)
	ON audit_head TO 'plugway_registrar'@'localhost';
GRANT INSERT (id, at, actor_kind, actor_id, action, subject,
	    request_id, detail, prev_hash, hash)
	ON audit_log TO 'plugway_registrar'@'localhost';
GRANT INSERT (kind, ref, noted_at)
	ON changes TO 'plugway_registrar'@'localhost';
GRANT SELECT (name, owner, lease_until),
	INSERT (name, owner, lease_until),
	UPDATE (owner, lease_until)
	ON leases TO 'plugway_registrar'@'localhost';
GRANT SELECT (name, value),
	INSERT (name, value),
	UPDATE (name, value)
	ON meta TO 'plugway_registrar'@'localhost';
GRANT SELECT (plugin_user_id, marker, first_seen_at, last_seen_at,
	    disabled_at, deleted_at),
	INSERT (plugin_user_id, marker, first_seen_at, last_seen_at),
	UPDATE (plugin_user_id, marker, first_seen_at, last_seen_at,
	    disabled_at, deleted_at),
	DELETE
	ON orphans TO 'plugway_registrar'@'localhost';
GRANT SELECT (id, user_id, api_key, plugin_user_id, is_active,
	    key_gen, bind_mac, key_id, created_at, updated_at,
	    last_used_at),
	INSERT (user_id, api_key, plugin_user_id, key_gen, bind_mac,
	    key_id, created_at, updated_at, changed_at),
	UPDATE (api_key, plugin_user_id, is_active, key_gen, bind_mac,
	    key_id, updated_at, changed_at),
	DELETE
	ON plugin_api_keys TO 'plugway_registrar'@'localhost';
GRANT SELECT (id, job_id, state, started_at),
	INSERT (job_id, fence, marker, started_at),
	UPDATE (state, http_status, plugin_user_id, ended_at)
	ON registration_attempts TO 'plugway_registrar'@'localhost';
GRANT SELECT (id, user_id, kind, state, fence, attempts, unknowns,
	    reason, detail, owner, plugin_user_id, lease_until, next_try_at,
	    queued_at, claimed_at, created_at, updated_at),
	INSERT (user_id, kind, next_try_at, queued_at, created_at,
	    updated_at),
	UPDATE (state, fence, attempts, unknowns, reason, detail, owner,
	    plugin_user_id, lease_until, next_try_at, queued_at, claimed_at,
	    updated_at)
	ON registration_jobs TO 'plugway_registrar'@'localhost';
GRANT SELECT (version)
	ON schema_migrations TO 'plugway_registrar'@'localhost';
GRANT SELECT (id, username, avatar_url, trust_level, is_active,
	    is_silenced, beta, sessions_valid_from_s, created_at,
	    last_login_at)
	ON users TO 'plugway_registrar'@'localhost';
