-- What was done to people, accounts and keys, by whom.  Only ever
-- added to: no account but the owner of the database may change or
-- delete a row, and each row's hash covers the hash before it (see
-- src/store/audit.c), so that `plugwayctl audit verify` sees one that
-- was changed, removed or put in between.
CREATE TABLE IF NOT EXISTS audit_log (
	id		BIGINT UNSIGNED NOT NULL,
	at		DATETIME(6) NOT NULL,
	actor_kind	VARCHAR(16) NOT NULL,
	actor_id	VARCHAR(255) NOT NULL,
	action		VARCHAR(64) NOT NULL,
	subject		VARCHAR(300) NOT NULL,
	request_id	VARCHAR(64) NOT NULL,
	detail		TEXT NOT NULL,
	prev_hash	BINARY(32) NOT NULL,
	hash		BINARY(32) NOT NULL,
	PRIMARY KEY (id),
	KEY audit_log_at (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The end of the chain: one row.  Whoever adds to the log locks it, so
-- that ids have no gaps and are in the order of commits.
CREATE TABLE IF NOT EXISTS audit_head (
	one		TINYINT UNSIGNED NOT NULL,
	last_id		BIGINT UNSIGNED NOT NULL,
	last_hash	BINARY(32) NOT NULL,
	PRIMARY KEY (one)
) ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin;
INSERT IGNORE INTO audit_head (one,last_id,last_hash)
	VALUES (1,0,REPEAT(X'00',32));
