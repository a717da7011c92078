-- The tables of plugway.
--
-- All times are UTC.  Every CREATE says IF NOT EXISTS, because DDL
-- commits by itself: a run that was cut short is simply run again.
-- InnoDB and a primary key everywhere, so that Galera carries them all.

CREATE TABLE IF NOT EXISTS users (
	id		BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
	username	VARCHAR(255) NOT NULL,
	password_hash	VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
	avatar_url	VARCHAR(512) NULL,
	trust_level	INT NOT NULL DEFAULT 0,
	is_active	BOOLEAN NOT NULL DEFAULT TRUE,
	is_silenced	BOOLEAN NOT NULL DEFAULT FALSE,
	beta		INT NOT NULL DEFAULT 0,
	-- Unix seconds: tokens issued before this are dead
	sessions_valid_from_s BIGINT NOT NULL DEFAULT 0,
	created_at	DATETIME(6) NOT NULL,
	updated_at	DATETIME(6) NOT NULL,
	last_login_at	DATETIME(6) NULL,
	PRIMARY KEY (id),
	UNIQUE KEY users_username (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Who a person is at a provider.  NOPAD: '7 ' is not '7'.
CREATE TABLE IF NOT EXISTS identities (
	provider	VARCHAR(64) CHARACTER SET ascii COLLATE ascii_nopad_bin
			NOT NULL,
	subject		VARCHAR(190) NOT NULL,
	user_id		BIGINT UNSIGNED NOT NULL,
	created_at	DATETIME(6) NOT NULL,
	PRIMARY KEY (provider, subject),
	KEY identities_user (user_id),
	CONSTRAINT identities_user FOREIGN KEY (user_id)
		REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- The bound upstream accounts; api_key is a Fernet token.
CREATE TABLE IF NOT EXISTS plugin_api_keys (
	id		BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
	user_id		BIGINT UNSIGNED NOT NULL,
	api_key		TEXT NOT NULL,
	plugin_user_id	VARCHAR(255) NOT NULL,
	is_active	BOOLEAN NOT NULL DEFAULT TRUE,
	key_gen		INT UNSIGNED NOT NULL,
	bind_mac	VARCHAR(64) NOT NULL,
	created_at	DATETIME(6) NOT NULL,
	updated_at	DATETIME(6) NOT NULL,
	changed_at	DATETIME(6) NOT NULL,
	last_used_at	DATETIME(6) NULL,
	PRIMARY KEY (id),
	UNIQUE KEY plugin_api_keys_user (user_id),
	UNIQUE KEY plugin_api_keys_upstream (plugin_user_id),
	CONSTRAINT plugin_api_keys_user FOREIGN KEY (user_id)
		REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

-- At most one job of a kind for a user.  A job outlives its user (no
-- foreign key), so that the sweeper can tell an account of a deleted
-- user from one whose job this database never knew.  The fence is
-- raised by every claim; whoever writes must still hold the fence of
-- his claim.
CREATE TABLE IF NOT EXISTS registration_jobs (
	id		BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
	user_id		BIGINT UNSIGNED NOT NULL,
	kind		ENUM('create','rekey','status') NOT NULL,
	state		ENUM('ready','working','done','held') NOT NULL
			DEFAULT 'ready',
	fence		INT UNSIGNED NOT NULL DEFAULT 0,
	attempts	INT UNSIGNED NOT NULL DEFAULT 0,
	unknowns	INT UNSIGNED NOT NULL DEFAULT 0,
	reason		TINYINT UNSIGNED NOT NULL DEFAULT 0,
	detail		VARCHAR(255) CHARACTER SET utf8mb4
			COLLATE utf8mb4_bin NOT NULL DEFAULT '',
	owner		VARCHAR(63) NOT NULL DEFAULT '',
	plugin_user_id	VARCHAR(255) NULL,
	lease_until	DATETIME(6) NULL,
	next_try_at	DATETIME(6) NOT NULL,
	queued_at	DATETIME(6) NOT NULL,
	claimed_at	DATETIME(6) NULL,
	created_at	DATETIME(6) NOT NULL,
	updated_at	DATETIME(6) NOT NULL,
	PRIMARY KEY (id),
	UNIQUE KEY registration_jobs_user (user_id, kind),
	KEY registration_jobs_due (state, next_try_at),
	KEY registration_jobs_lease (state, lease_until)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

-- Written ahead of each call to the upstream.
CREATE TABLE IF NOT EXISTS registration_attempts (
	id		BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
	job_id		BIGINT UNSIGNED NOT NULL,
	fence		INT UNSIGNED NOT NULL,
	marker		VARCHAR(100) NOT NULL,
	state		ENUM('open','ok','lost','failed','unknown') NOT NULL
			DEFAULT 'open',
	http_status	SMALLINT UNSIGNED NOT NULL DEFAULT 0,
	plugin_user_id	VARCHAR(255) NULL,
	started_at	DATETIME(6) NOT NULL,
	ended_at	DATETIME(6) NULL,
	PRIMARY KEY (id),
	UNIQUE KEY registration_attempts_job (job_id, fence),
	KEY registration_attempts_state (state),
	CONSTRAINT registration_attempts_job FOREIGN KEY (job_id)
		REFERENCES registration_jobs (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

-- Upstream accounts of ours that nobody is bound to, by our own clock.
CREATE TABLE IF NOT EXISTS orphans (
	plugin_user_id	VARCHAR(255) NOT NULL,
	marker		VARCHAR(100) NOT NULL,
	first_seen_at	DATETIME(6) NOT NULL,
	last_seen_at	DATETIME(6) NOT NULL,
	disabled_at	DATETIME(6) NULL,
	deleted_at	DATETIME(6) NULL,
	PRIMARY KEY (plugin_user_id)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS leases (
	name		VARCHAR(64) NOT NULL,
	owner		VARCHAR(63) NOT NULL,
	lease_until	DATETIME(6) NOT NULL,
	PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS oauth_states (
	state_hash	BINARY(32) NOT NULL,
	provider	VARCHAR(64) NOT NULL,
	verifier	VARCHAR(128) NOT NULL,
	nonce		VARCHAR(64) NOT NULL,
	browser		BINARY(32) NOT NULL,
	return_to	VARCHAR(1024) CHARACTER SET utf8mb4
			COLLATE utf8mb4_bin NOT NULL,
	expires_at	DATETIME(6) NOT NULL,
	PRIMARY KEY (state_hash),
	KEY oauth_states_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS upstream_states (
	state_hash	BINARY(32) NOT NULL,
	user_id		BIGINT UNSIGNED NOT NULL,
	expires_at	DATETIME(6) NOT NULL,
	PRIMARY KEY (state_hash),
	KEY upstream_states_expires (expires_at),
	KEY upstream_states_user (user_id),
	CONSTRAINT upstream_states_user FOREIGN KEY (user_id)
		REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS sessions (
	id		CHAR(22) NOT NULL,
	user_id		BIGINT UNSIGNED NOT NULL,
	created_at	DATETIME(6) NOT NULL,
	refreshed_at	DATETIME(6) NULL,
	expires_at	DATETIME(6) NOT NULL,
	ended_at	DATETIME(6) NULL,
	PRIMARY KEY (id),
	KEY sessions_user (user_id),
	KEY sessions_expires (expires_at),
	CONSTRAINT sessions_user FOREIGN KEY (user_id)
		REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS refresh_tokens (
	token_hash	BINARY(32) NOT NULL,
	session_id	CHAR(22) NOT NULL,
	created_at	DATETIME(6) NOT NULL,
	expires_at	DATETIME(6) NOT NULL,
	first_used_at	DATETIME(6) NULL,
	PRIMARY KEY (token_hash),
	KEY refresh_tokens_session (session_id),
	KEY refresh_tokens_expires (expires_at),
	CONSTRAINT refresh_tokens_session FOREIGN KEY (session_id)
		REFERENCES sessions (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS revoked_tokens (
	id		VARCHAR(96) NOT NULL,
	created_at	DATETIME(6) NOT NULL,
	expires_at	DATETIME(6) NOT NULL,
	PRIMARY KEY (id),
	KEY revoked_tokens_created (created_at),
	KEY revoked_tokens_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS api_keys (
	id		BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
	user_id		BIGINT UNSIGNED NOT NULL,
	key_hash	BINARY(32) NOT NULL,
	key_preview	VARCHAR(15) NOT NULL,
	name		VARCHAR(100) NULL,
	config_type	VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin
			NOT NULL DEFAULT 'antigravity',
	is_active	BOOLEAN NOT NULL DEFAULT TRUE,
	created_at	DATETIME(6) NOT NULL,
	last_used_at	DATETIME(6) NULL,
	expires_at	DATETIME(6) NULL,
	PRIMARY KEY (id),
	UNIQUE KEY api_keys_hash (key_hash),
	KEY api_keys_user (user_id),
	CONSTRAINT api_keys_user FOREIGN KEY (user_id)
		REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What every host must hear of; ids are not in the order of commits.
CREATE TABLE IF NOT EXISTS changes (
	id		BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
	kind		TINYINT UNSIGNED NOT NULL,
	ref		BIGINT UNSIGNED NOT NULL,
	noted_at	DATETIME(6) NOT NULL,
	PRIMARY KEY (id),
	KEY changes_noted (noted_at)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;

CREATE TABLE IF NOT EXISTS meta (
	name		VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
			NOT NULL,
	value		TEXT NOT NULL,
	PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
