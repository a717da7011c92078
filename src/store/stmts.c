/*
 * stmts: the table of SQL statements.
 *
 * Values go in as parameters only; nothing in this program builds SQL.
 * All times are the database's own: a host's clock decides nothing.
 * Races are settled here, by unique keys and by UPDATEs whose WHERE
 * holds the condition; the callers look at the affected rows.
 *
 * sql/grants.sql follows the roles below.
 */
#include <stddef.h>

#include "store/stmts.h"

#define W	(1u << DB_WORKER)
#define K	(1u << DB_KEEPER)
#define R	(1u << DB_REGISTRAR)
#define ALL	(W | K | R)
#define OPER	0u		/* DB_OPERATOR only */

#define NOW		"UTC_TIMESTAMP(6)"
#define EPOCH		"TIMESTAMP'1970-01-01 00:00:00.000000'"
/* Unix microseconds of a DATETIME(6), and back. */
#define US(col)		"TIMESTAMPDIFF(MICROSECOND," EPOCH "," col ")"
#define FROM_US		EPOCH "+INTERVAL ? MICROSECOND"
#define AGE_S(col)	"TIMESTAMPDIFF(SECOND," col "," NOW ")"
#define IN_S		NOW "+INTERVAL ? SECOND"

#define USER_COLS \
	"u.id,u.username,u.avatar_url,u.trust_level,u.is_active," \
	"u.is_silenced,u.beta," US("u.created_at") "," \
	US("u.last_login_at") ",u.sessions_valid_from_s"
#define KEY_COLS \
	"k.id,k.user_id,k.plugin_user_id,k.is_active,k.key_gen," \
	US("k.created_at") "," US("k.updated_at") "," US("k.last_used_at")
#define JOB_COLS \
	"id,user_id,kind,state,fence,attempts,unknowns,reason,detail," \
	"owner," US("created_at") "," US("next_try_at") "," \
	US("lease_until") "," US("updated_at") ",plugin_user_id"
#define ORPHAN_COLS \
	"plugin_user_id,marker," AGE_S("first_seen_at") "," \
	"disabled_at IS NOT NULL,deleted_at IS NOT NULL," \
	"COALESCE(" AGE_S("disabled_at") ",-1)"
#define APIKEY_COLS \
	"id,user_id,key_preview,name,config_type,is_active," \
	US("created_at") "," US("last_used_at") "," US("expires_at")

/* The job begins anew. */
#define JOB_FRESH \
	"state='ready',attempts=0,unknowns=0,reason=0,detail=''," \
	"lease_until=NULL,next_try_at=" NOW ",queued_at=" NOW "," \
	"updated_at=" NOW
/* The job has reached its end. */
#define JOB_ENDED \
	"lease_until=NULL,attempts=0,unknowns=0,reason=0,detail=''," \
	"updated_at=" NOW
#define OUR_FENCE	" WHERE id=? AND fence=? AND state='working'"

/* id -> name, roles, SQL; in the order of the enum. */
const struct stmt stmts[STMT_MAX] = {
/* connection */
[STMT_SESSION] = { "session", ALL,
	"SET time_zone='+00:00',tx_isolation='READ-COMMITTED',"
	"sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,"
	"ERROR_FOR_DIVISION_BY_ZERO',innodb_lock_wait_timeout=5" },
[STMT_SESSION_HURRIED] = { "session_hurried", ALL,
	"SET innodb_lock_wait_timeout=1" },
[STMT_BEGIN] = { "begin", ALL, "START TRANSACTION" },
[STMT_COMMIT] = { "commit", ALL, "COMMIT" },
[STMT_ROLLBACK] = { "rollback", ALL, "ROLLBACK" },
[STMT_SYNC_ON] = { "sync_on", ALL, "SET wsrep_sync_wait=1" },
[STMT_SYNC_OFF] = { "sync_off", ALL, "SET wsrep_sync_wait=0" },
[STMT_NOW_MS] = { "now_ms", ALL,
	"SELECT " US(NOW) " DIV 1000" },
/* A table of InnoDB is touched: SELECT 1 succeeds on a node of a
 * cluster that has lost its quorum. */
[STMT_SCHEMA_STATE] = { "schema_state", ALL,
	"SELECT MAX(version),(SELECT MAX(id) FROM users)"
	" FROM schema_migrations" },

/* migrate */
[STMT_MIGRATIONS_MAKE] = { "migrations_make", OPER,
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	"version INT UNSIGNED NOT NULL PRIMARY KEY,"
	"name VARCHAR(190) NOT NULL,sha256 CHAR(64) NOT NULL,"
	"applied_at DATETIME(6) NOT NULL) ENGINE=InnoDB "
	"DEFAULT CHARSET=ascii COLLATE=ascii_bin" },
[STMT_MIGRATION_LEASE_MAKE] = { "migration_lease_make", OPER,
	"CREATE TABLE IF NOT EXISTS schema_lease ("
	"id INT UNSIGNED NOT NULL PRIMARY KEY,"
	"owner VARCHAR(63) NOT NULL,"
	"lease_until DATETIME(6) NOT NULL) ENGINE=InnoDB "
	"DEFAULT CHARSET=ascii COLLATE=ascii_bin" },
[STMT_MIGRATION_LEASE_ADD] = { "migration_lease_add", OPER,
	"INSERT IGNORE INTO schema_lease (id,owner,lease_until)"
	" VALUES (1,''," NOW ")" },
[STMT_MIGRATION_LEASE_TAKE] = { "migration_lease_take", OPER,
	"UPDATE schema_lease SET owner=?,lease_until=" IN_S
	" WHERE id=1 AND (owner=? OR lease_until<=" NOW ")" },
[STMT_MIGRATION_LEASE_DROP] = { "migration_lease_drop", OPER,
	"UPDATE schema_lease SET owner='',lease_until=" NOW
	" WHERE id=1 AND owner=?" },
[STMT_MIGRATION_DONE] = { "migration_done", OPER,
	"INSERT INTO schema_migrations (version,name,sha256,applied_at)"
	" VALUES (?,?,?," NOW ")" },
[STMT_MIGRATION_LIST] = { "migration_list", OPER,
	"SELECT version,name,sha256 FROM schema_migrations"
	" ORDER BY version" },

/* users */
[STMT_USER_BY_ID] = { "user_by_id", W | R,
	"SELECT " USER_COLS " FROM users u WHERE u.id=?" },
[STMT_USER_BY_NAME] = { "user_by_name", W,
	"SELECT " USER_COLS ",u.password_hash FROM users u"
	" WHERE u.username=?" },
[STMT_USER_BY_IDENTITY] = { "user_by_identity", W,
	"SELECT " USER_COLS " FROM identities i JOIN users u"
	" ON u.id=i.user_id WHERE i.provider=? AND i.subject=?" },
[STMT_USER_NAME_EXISTS] = { "user_name_exists", W,
	"SELECT u.id FROM users u WHERE u.username=?" },
[STMT_USER_INSERT] = { "user_insert", W,
	"INSERT INTO users (username,avatar_url,trust_level,created_at,"
	"updated_at,last_login_at) VALUES (?,?,?," NOW "," NOW ","
	NOW ")" },
[STMT_IDENTITY_INSERT] = { "identity_insert", W,
	"INSERT INTO identities (provider,subject,user_id,created_at)"
	" VALUES (?,?,?," NOW ")" },
[STMT_USER_SIGNED_IN] = { "user_signed_in", W,
	"UPDATE users SET avatar_url=COALESCE(?,avatar_url),"
	"trust_level=?,last_login_at=" NOW ",updated_at=" NOW
	" WHERE id=?" },
[STMT_USER_NOTE_LOGIN] = { "user_note_login", W,
	"UPDATE users SET last_login_at=" NOW " WHERE id=?" },
[STMT_USER_SET_ACTIVE] = { "user_set_active", OPER,
	"UPDATE users SET is_active=?,updated_at=" NOW " WHERE id=?" },
[STMT_USER_SET_PASSWORD] = { "user_set_password", OPER,
	"UPDATE users SET password_hash=?,updated_at=" NOW
	" WHERE id=?" },
/* Past now and past the old value: what was issued in this very
 * second is dead too. */
[STMT_USER_END_SESSIONS] = { "user_end_sessions", W,
	"UPDATE users SET sessions_valid_from_s="
	"GREATEST(sessions_valid_from_s+1,UNIX_TIMESTAMP()+1)"
	" WHERE id=?" },
[STMT_USER_VALID_FROM] = { "user_valid_from", W,
	"SELECT sessions_valid_from_s FROM users WHERE id=?" },
[STMT_USER_LIST] = { "user_list", OPER,
	"SELECT " USER_COLS " FROM users u WHERE u.id>?"
	" ORDER BY u.id LIMIT ?" },

/* pluginkeys: workers never read api_key and bind_mac */
[STMT_KEY_INFO] = { "key_info", W | R,
	"SELECT " KEY_COLS " FROM plugin_api_keys k WHERE k.user_id=?" },
[STMT_TENANT_LOAD] = { "tenant_load", K,
	"SELECT u.id,u.is_active,u.sessions_valid_from_s," KEY_COLS ","
	"k.api_key,k.bind_mac,j.state,j.reason"
	" FROM users u LEFT JOIN plugin_api_keys k ON k.user_id=u.id"
	" LEFT JOIN registration_jobs j ON j.user_id=u.id"
	" AND j.kind=IF(k.id IS NULL,'create','rekey') WHERE u.id=?" },
[STMT_KEY_USED] = { "key_used", K,
	"UPDATE plugin_api_keys SET last_used_at=" FROM_US
	" WHERE user_id=? AND (last_used_at IS NULL OR last_used_at<"
	FROM_US ")" },
[STMT_KEY_INSERT] = { "key_insert", R,
	"INSERT INTO plugin_api_keys (user_id,plugin_user_id,api_key,"
	"bind_mac,key_id,key_gen,created_at,updated_at,changed_at)"
	" VALUES (?,?,?,?,?,?," NOW "," NOW "," NOW ")" },
[STMT_KEY_REPLACE] = { "key_replace", R,
	"UPDATE plugin_api_keys SET plugin_user_id=?,api_key=?,"
	"bind_mac=?,key_id=?,key_gen=?,is_active=1,updated_at=" NOW
	",changed_at=" NOW " WHERE user_id=? AND key_gen=?" },
[STMT_KEY_RESEAL] = { "key_reseal", R,
	"UPDATE plugin_api_keys SET api_key=?,bind_mac=?,key_id=?,"
	"updated_at=" NOW " WHERE user_id=? AND api_key=?" },
[STMT_KEY_DELETE] = { "key_delete", R,
	"DELETE FROM plugin_api_keys WHERE user_id=?" },
[STMT_KEY_SET_ACTIVE] = { "key_set_active", OPER,
	"UPDATE plugin_api_keys SET is_active=?,updated_at=" NOW
	",changed_at=" NOW " WHERE user_id=?" },
[STMT_KEY_SCAN] = { "key_scan", R,
	"SELECT " KEY_COLS ",k.api_key,k.bind_mac,k.key_id"
	" FROM plugin_api_keys k WHERE k.user_id>? ORDER BY k.user_id LIMIT ?" },
/* A revoked key is never opened again. */
[STMT_KEY_COUNT_BY_ID] = { "key_count_by_id", K,
	"SELECT key_id,COUNT(*) FROM plugin_api_keys WHERE is_active=1"
	" GROUP BY key_id" },
[STMT_KEY_SCAN_UNNAMED] = { "key_scan_unnamed", K,
	"SELECT " KEY_COLS ",k.api_key,k.bind_mac,k.key_id"
	" FROM plugin_api_keys k WHERE k.key_id IS NULL AND k.is_active=1"
	" AND k.user_id>? ORDER BY k.user_id LIMIT ?" },
[STMT_JOB_ADOPTED] = { "job_adopted", OPER,
	"UPDATE registration_jobs SET state='done',fence=fence+1,"
	"plugin_user_id=?," JOB_ENDED " WHERE user_id=? AND kind='create'" },
[STMT_KEY_IS_BOUND] = { "key_is_bound", R,
	"SELECT k.id FROM plugin_api_keys k WHERE k.plugin_user_id=?" },
[STMT_META_GET] = { "meta_get", ALL,
	"SELECT value FROM meta WHERE name=?" },
[STMT_META_PUT_ONCE] = { "meta_put_once", K | R,
	"INSERT IGNORE INTO meta (name,value) VALUES (?,?)" },
[STMT_META_PUT] = { "meta_put", R,
	"INSERT INTO meta (name,value) VALUES (?,?)"
	" ON DUPLICATE KEY UPDATE value=VALUES(value)" },

/* jobs */
[STMT_JOB_NEEDED] = { "job_needed", ALL,
	"SELECT EXISTS(SELECT 1 FROM plugin_api_keys WHERE user_id=?),"
	"EXISTS(SELECT 1 FROM registration_jobs WHERE user_id=?"
	" AND kind=? AND state<>'done'),"
	"EXISTS(SELECT 1 FROM users WHERE id=?)" },
[STMT_JOB_REQUEUE] = { "job_requeue", ALL,
	"UPDATE registration_jobs SET " JOB_FRESH " WHERE user_id=?"
	" AND kind=? AND state='done' AND queued_at<=" NOW
	"-INTERVAL ? SECOND" },
/* A working job only notes the new wish; job_finish looks at it. */
[STMT_JOB_REQUEUE_STATUS] = { "job_requeue_status", R,
	"UPDATE registration_jobs SET state=IF(state='working',state,"
	"'ready'),attempts=0,unknowns=0,next_try_at=" NOW ",queued_at="
	NOW ",updated_at=" NOW " WHERE user_id=? AND kind='status'" },
[STMT_JOB_REQUEUE_CREATE] = { "job_requeue_create", R,
	"UPDATE registration_jobs SET " JOB_FRESH " WHERE user_id=?"
	" AND kind='create' AND state<>'working'" },
[STMT_JOB_INSERT] = { "job_insert", ALL,
	"INSERT IGNORE INTO registration_jobs (user_id,kind,next_try_at,"
	"queued_at,created_at,updated_at) SELECT u.id,?," NOW "," NOW ","
	NOW "," NOW " FROM users u WHERE u.id=?" },
/* First what a dead registrar left, which is little. */
[STMT_JOB_CANDIDATES] = { "job_candidates", R,
	"(SELECT id,fence FROM registration_jobs WHERE state='working'"
	" AND lease_until<" NOW " ORDER BY lease_until LIMIT ?)"
	" UNION ALL (SELECT id,fence FROM registration_jobs"
	" WHERE state='ready' AND next_try_at<=" NOW
	" ORDER BY next_try_at LIMIT ?)" },
[STMT_JOB_CLAIM] = { "job_claim", R,
	"UPDATE registration_jobs SET state='working',owner=?,"
	"fence=fence+1,attempts=attempts+1,claimed_at=" NOW ","
	"lease_until=" IN_S ",updated_at=" NOW
	" WHERE id=? AND fence=? AND ((state='ready' AND next_try_at<="
	NOW ") OR (state='working' AND lease_until<" NOW "))" },
[STMT_JOB_LEASE_LEFT] = { "job_lease_left", R,
	"SELECT GREATEST(0,TIMESTAMPDIFF(MICROSECOND," NOW
	",lease_until) DIV 1000) FROM registration_jobs" OUR_FENCE },
[STMT_JOB_BOUND] = { "job_bound", R,
	"UPDATE registration_jobs SET state='done',plugin_user_id=?,"
	JOB_ENDED OUR_FENCE },
/* The user turned out to have a key already, or to be gone: there is
 * nothing left to do, and each further try would make an orphan. */
[STMT_JOB_MOOT] = { "job_moot", R,
	"UPDATE registration_jobs SET state='done'," JOB_ENDED OUR_FENCE
	" AND kind='create' AND (EXISTS(SELECT 1 FROM plugin_api_keys k"
	" WHERE k.user_id=registration_jobs.user_id) OR NOT EXISTS("
	"SELECT 1 FROM users u WHERE u.id=registration_jobs.user_id))" },
/* The sealed token is unique by its random start value. */
[STMT_JOB_SETTLE] = { "job_settle", R,
	"SELECT EXISTS(SELECT 1 FROM plugin_api_keys WHERE user_id=?"
	" AND api_key=?),EXISTS(SELECT 1 FROM registration_jobs"
	OUR_FENCE ")" },
/* Queued again while it was worked on: it stays ready. */
[STMT_JOB_FINISH] = { "job_finish", R,
	"UPDATE registration_jobs SET state=IF(queued_at>claimed_at,"
	"'ready','done'),next_try_at=" NOW "," JOB_ENDED OUR_FENCE },
[STMT_JOB_RELEASE] = { "job_release", R,
	"UPDATE registration_jobs SET state='ready',lease_until=NULL,"
	"next_try_at=" NOW "+INTERVAL ? MICROSECOND,reason=?,detail=?,"
	"attempts=IF(attempts>?,attempts-?,0),unknowns=unknowns+?,"
	"updated_at=" NOW OUR_FENCE },
[STMT_JOB_HOLD] = { "job_hold", R,
	"UPDATE registration_jobs SET state='held',lease_until=NULL,"
	"reason=?,detail=?,updated_at=" NOW OUR_FENCE },
[STMT_JOB_NOTE_WAITING] = { "job_note_waiting", R,
	"UPDATE registration_jobs SET reason=?,updated_at=" NOW
	" WHERE state='ready' AND next_try_at<=" NOW " AND reason<>?" },
[STMT_JOB_BY_ID] = { "job_by_id", R,
	"SELECT " JOB_COLS " FROM registration_jobs WHERE id=?" },
[STMT_JOB_BY_USER] = { "job_by_user", W | R,
	"SELECT " JOB_COLS " FROM registration_jobs WHERE user_id=?"
	" AND kind=?" },
[STMT_JOB_LIST] = { "job_list", OPER,
	"SELECT " JOB_COLS " FROM registration_jobs WHERE id>?"
	" ORDER BY id LIMIT ?" },
[STMT_JOB_LIST_STATE] = { "job_list_state", OPER,
	"SELECT " JOB_COLS " FROM registration_jobs WHERE id>?"
	" AND state=? ORDER BY id LIMIT ?" },
[STMT_JOB_RETRY] = { "job_retry", OPER,
	"UPDATE registration_jobs SET " JOB_FRESH
	" WHERE id=? AND state IN ('held','ready')" },
/* The fence is raised: whoever works on it binds nothing any more. */
[STMT_JOB_OPERATOR_HOLD] = { "job_operator_hold", OPER,
	"UPDATE registration_jobs SET state='held',fence=fence+1,"
	"lease_until=NULL,reason=?,detail='',updated_at=" NOW
	" WHERE id=? AND state IN ('ready','working')" },
[STMT_JOB_TOTALS] = { "job_totals", ALL,
	"SELECT (SELECT COUNT(*) FROM registration_jobs"
	" WHERE state='ready'),"
	"(SELECT COUNT(*) FROM registration_jobs WHERE state='working'),"
	"(SELECT COUNT(*) FROM registration_jobs WHERE state='done'),"
	"(SELECT COUNT(*) FROM registration_jobs WHERE state='held'),"
	"(SELECT COALESCE(" AGE_S("MIN(queued_at)") ",0)"
	" FROM registration_jobs WHERE state='ready'),"
	"(SELECT COUNT(*) FROM registration_attempts"
	" WHERE state='unknown'),"
	"(SELECT COUNT(*) FROM orphans WHERE deleted_at IS NULL)" },
[STMT_ATTEMPT_OPEN] = { "attempt_open", R,
	"INSERT INTO registration_attempts (job_id,fence,marker,"
	"started_at) VALUES (?,?,?," NOW ")" },
[STMT_ATTEMPT_CLOSE] = { "attempt_close", R,
	"UPDATE registration_attempts SET state=?,http_status=?,"
	"plugin_user_id=?,ended_at=" NOW " WHERE id=?" },
[STMT_ATTEMPT_YOUNGEST] = { "attempt_youngest", R,
	"SELECT COALESCE(" AGE_S("MAX(started_at)") ",-1)"
	" FROM registration_attempts WHERE job_id=? AND state='open'" },

/* leases and orphans */
[STMT_LEASE_TAKE] = { "lease_take", K | R,
	"UPDATE leases SET owner=?,lease_until=" IN_S
	" WHERE name=? AND (owner=? OR lease_until<=" NOW ")" },
[STMT_LEASE_ADD] = { "lease_add", K | R,
	"INSERT IGNORE INTO leases (name,owner,lease_until)"
	" VALUES (?,?," IN_S ")" },
/* Seen again: then it was not deleted after all. */
[STMT_ORPHAN_SEE] = { "orphan_see", R,
	"INSERT INTO orphans (plugin_user_id,marker,first_seen_at,"
	"last_seen_at) VALUES (?,?," NOW "," NOW ") ON DUPLICATE KEY"
	" UPDATE last_seen_at=" NOW ",deleted_at=NULL" },
[STMT_ORPHAN_GET] = { "orphan_get", R,
	"SELECT " ORPHAN_COLS " FROM orphans WHERE plugin_user_id=?" },
[STMT_ORPHAN_DISABLED] = { "orphan_disabled", R,
	"UPDATE orphans SET disabled_at=COALESCE(disabled_at," NOW ")"
	" WHERE plugin_user_id=?" },
[STMT_ORPHAN_DELETED] = { "orphan_deleted", R,
	"UPDATE orphans SET deleted_at=COALESCE(deleted_at," NOW ")"
	" WHERE plugin_user_id=?" },
[STMT_ORPHAN_FORGET] = { "orphan_forget", R,
	"DELETE FROM orphans WHERE plugin_user_id=?" },
[STMT_ORPHAN_LIST] = { "orphan_list", R,
	"SELECT " ORPHAN_COLS " FROM orphans ORDER BY first_seen_at,"
	"plugin_user_id" },

/* tokens */
[STMT_OAUTH_STATE_PUT] = { "oauth_state_put", W,
	"INSERT INTO oauth_states (state_hash,provider,verifier,nonce,"
	"browser,return_to,expires_at) VALUES (?,?,?,?,?,?," IN_S ")" },
[STMT_OAUTH_STATE_GET] = { "oauth_state_get", W,
	"SELECT provider,verifier,nonce,browser,return_to"
	" FROM oauth_states WHERE state_hash=? AND expires_at>" NOW },
[STMT_OAUTH_STATE_TAKE] = { "oauth_state_take", W,
	"DELETE FROM oauth_states WHERE state_hash=? AND expires_at>"
	NOW },
[STMT_UPSTREAM_STATE_PUT] = { "upstream_state_put", W,
	"INSERT INTO upstream_states (state_hash,user_id,expires_at)"
	" VALUES (?,?," IN_S ") ON DUPLICATE KEY UPDATE"
	" user_id=VALUES(user_id),expires_at=VALUES(expires_at)" },
[STMT_UPSTREAM_STATE_CHECK] = { "upstream_state_check", W,
	"SELECT user_id FROM upstream_states WHERE state_hash=?"
	" AND user_id=? AND expires_at>" NOW },
[STMT_SESSION_INSERT] = { "session_insert", W,
	"INSERT INTO sessions (id,user_id,created_at,expires_at)"
	" VALUES (?,?," NOW "," IN_S ")" },
[STMT_SESSION_EXTEND] = { "session_extend", W,
	"UPDATE sessions SET refreshed_at=" NOW ","
	"expires_at=GREATEST(expires_at," IN_S ")"
	" WHERE id=? AND ended_at IS NULL" },
[STMT_SESSION_END] = { "session_end", W,
	"UPDATE sessions SET ended_at=" NOW
	" WHERE id=? AND user_id=? AND ended_at IS NULL" },
[STMT_SESSIONS_END_ALL] = { "sessions_end_all", W,
	"UPDATE sessions SET ended_at=" NOW
	" WHERE user_id=? AND ended_at IS NULL" },
[STMT_REFRESH_INSERT] = { "refresh_insert", W,
	"INSERT INTO refresh_tokens (token_hash,session_id,created_at,"
	"expires_at) VALUES (?,?," NOW "," IN_S ")" },
[STMT_REFRESH_GET] = { "refresh_get", W,
	"SELECT s.id,s.user_id,s.ended_at IS NOT NULL,"
	"r.expires_at<=" NOW ",u.is_active,"
	"COALESCE(r.first_used_at+INTERVAL ? SECOND<=" NOW ",0),"
	"EXISTS(SELECT 1 FROM refresh_tokens n WHERE n.token_hash=?)"
	" FROM refresh_tokens r JOIN sessions s ON s.id=r.session_id"
	" JOIN users u ON u.id=s.user_id WHERE r.token_hash=?" },
[STMT_REFRESH_MARK] = { "refresh_mark", W,
	"UPDATE refresh_tokens SET first_used_at=" NOW
	" WHERE token_hash=? AND first_used_at IS NULL" },
[STMT_SESSION_OF_REFRESH] = { "session_of_refresh", W,
	"SELECT s.id FROM refresh_tokens r JOIN sessions s"
	" ON s.id=r.session_id WHERE r.token_hash=? AND s.user_id=?" },
[STMT_REVOKED_PUT] = { "revoked_put", W,
	"INSERT INTO revoked_tokens (id,created_at,expires_at)"
	" VALUES (?," NOW "," FROM_US ") ON DUPLICATE KEY UPDATE"
	" expires_at=GREATEST(expires_at,VALUES(expires_at)),"
	"created_at=VALUES(created_at)" },
[STMT_REVOKED_LIST] = { "revoked_list", K,
	"SELECT id," US("expires_at") " DIV 1000000 FROM revoked_tokens"
	" WHERE expires_at>" NOW },
[STMT_REVOKED_LIST_NEW] = { "revoked_list_new", K,
	"SELECT id," US("expires_at") " DIV 1000000 FROM revoked_tokens"
	" WHERE created_at>" NOW "-INTERVAL ? SECOND AND expires_at>"
	NOW },
[STMT_PURGE_OAUTH] = { "purge_oauth", K,
	"DELETE FROM oauth_states WHERE expires_at<=" NOW " LIMIT ?" },
[STMT_PURGE_UPSTREAM] = { "purge_upstream", K,
	"DELETE FROM upstream_states WHERE expires_at<=" NOW
	" LIMIT ?" },
[STMT_PURGE_REFRESH] = { "purge_refresh", K,
	"DELETE FROM refresh_tokens WHERE expires_at<=" NOW " LIMIT ?" },
[STMT_PURGE_SESSIONS] = { "purge_sessions", K,
	"DELETE FROM sessions WHERE expires_at<=" NOW " LIMIT ?" },
[STMT_PURGE_REVOKED] = { "purge_revoked", K,
	"DELETE FROM revoked_tokens WHERE expires_at<=" NOW " LIMIT ?" },

/* apikeys */
[STMT_APIKEY_INSERT] = { "apikey_insert", W,
	"INSERT INTO api_keys (user_id,key_hash,key_preview,name,"
	"config_type,is_active,created_at,expires_at)"
	" VALUES (?,?,?,?,?,?," NOW "," FROM_US ")" },
[STMT_APIKEY_BY_HASH] = { "apikey_by_hash", W | K,
	"SELECT " APIKEY_COLS " FROM api_keys WHERE key_hash=?" },
[STMT_APIKEY_GET] = { "apikey_get", W,
	"SELECT " APIKEY_COLS " FROM api_keys WHERE user_id=? AND id=?" },
[STMT_APIKEY_HASH] = { "apikey_hash", W,
	"SELECT key_hash FROM api_keys WHERE user_id=? AND id=?" },
[STMT_APIKEY_LIST] = { "apikey_list", W,
	"SELECT " APIKEY_COLS " FROM api_keys WHERE user_id=?"
	" ORDER BY id DESC" },
[STMT_APIKEY_SET_ACTIVE] = { "apikey_set_active", W,
	"UPDATE api_keys SET is_active=? WHERE user_id=? AND id=?" },
[STMT_APIKEY_DELETE] = { "apikey_delete", W,
	"DELETE FROM api_keys WHERE user_id=? AND id=?" },
[STMT_APIKEY_USED] = { "apikey_used", K,
	"UPDATE api_keys SET last_used_at=" FROM_US
	" WHERE id=? AND (last_used_at IS NULL OR last_used_at<"
	FROM_US ")" },

/* audit: added to, never changed */
[STMT_AUDIT_LOCK] = { "audit_lock", W | R,
	"SELECT last_id,last_hash," US(NOW) " FROM audit_head WHERE one=1"
	" FOR UPDATE" },
[STMT_AUDIT_ADD] = { "audit_add", W | R,
	"INSERT INTO audit_log (id,at,actor_kind,actor_id,action,subject,"
	"request_id,detail,prev_hash,hash)"
	" VALUES (?," FROM_US ",?,?,?,?,?,?,?,?)" },
[STMT_AUDIT_ADVANCE] = { "audit_advance", W | R,
	"UPDATE audit_head SET last_id=?,last_hash=? WHERE one=1" },
[STMT_AUDIT_HEAD] = { "audit_head", OPER,
	"SELECT last_id,last_hash FROM audit_head WHERE one=1" },
[STMT_AUDIT_LIST] = { "audit_list", OPER,
	"SELECT id," US("at") ",actor_kind,actor_id,action,subject,"
	"request_id,detail,prev_hash,hash FROM audit_log WHERE id>?"
	" ORDER BY id LIMIT ?" },

/* changes */
[STMT_CHANGE_NOTE] = { "change_note", W | R,
	"INSERT INTO changes (kind,ref,noted_at) VALUES (?,?," NOW ")" },
[STMT_CHANGE_LIST] = { "change_list", K,
	"SELECT id,kind,ref FROM changes WHERE noted_at>" NOW
	"-INTERVAL ? SECOND ORDER BY id" },
[STMT_CHANGE_PURGE] = { "change_purge", K,
	"DELETE FROM changes WHERE noted_at<" NOW "-INTERVAL ? SECOND"
	" LIMIT ?" },
};

bool
stmt_allowed(enum stmt_id id, enum db_role role)
{
	return role == DB_OPERATOR || (stmts[id].roles & 1u << role) != 0;
}
