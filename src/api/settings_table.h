/*
 * The directives.  Included with SETTING() defined; no guard on purpose.
 *
 *	id, name, type, default, min, max, choices, flags, roles, help
 */
#define R_ALL	ROLE_ALL
#define R_W	(ROLE_WORKER)
#define R_K	(ROLE_KEEPER)
#define R_R	(ROLE_REGISTRAR)
#define NONE	0
#define INT(id, name, def, min, max, help)				\
	SETTING(id, name, SETTING_INT, def, min, max, NULL, NONE, R_ALL, help)
#define SEC(id, name, def, min, max, help)				\
	SETTING(id, name, SETTING_SECONDS, def, min, max, NULL, NONE,	\
	    R_ALL, help)
#define STR(id, name, def, help)					\
	SETTING(id, name, SETTING_STRING, def, 0, 0, NULL, NONE, R_ALL, help)
#define BOOL(id, name, def, help)					\
	SETTING(id, name, SETTING_BOOL, def, 0, 0, NULL, NONE, R_ALL, help)

STR(PLUGIN_API_BASE_URL, "PLUGIN_API_BASE_URL", "http://localhost:8045",
    "Base URL of the plug-in-api server (http, https or unix:/path).")
SETTING(PLUGIN_API_ADMIN_KEY, "PLUGIN_API_ADMIN_KEY", SETTING_STRING, NULL,
    0, 0, NULL, SETTING_SECRET, R_R,
    "Admin key of the plug-in-api server; used for nothing but registration.")
SETTING(PLUGIN_API_ENCRYPTION_KEY, "PLUGIN_API_ENCRYPTION_KEY",
    SETTING_STRING, NULL, 0, 0, NULL, SETTING_SECRET | SETTING_REQUIRED,
    R_K | R_R,
    "Fernet key, or a comma-separated list with the newest first; seals stored keys.")
SETTING(DATABASE_URL, "DATABASE_URL", SETTING_STRING, NULL, 0, 0, NULL,
    SETTING_SECRET | SETTING_REQUIRED, R_W | R_K | R_R,
    "mysql://user:password@host:3306/database?unix_socket=/path of the MariaDB server.")
SETTING(DATABASE_URL_WORKER, "DATABASE_URL_WORKER", SETTING_STRING, NULL,
    0, 0, NULL, SETTING_SECRET, R_W,
    "Account of the workers, when the roles have separate accounts.")
SETTING(DATABASE_URL_KEEPER, "DATABASE_URL_KEEPER", SETTING_STRING, NULL,
    0, 0, NULL, SETTING_SECRET, R_K,
    "Account of the keeper, when the roles have separate accounts.")
SETTING(DATABASE_URL_REGISTRAR, "DATABASE_URL_REGISTRAR", SETTING_STRING,
    NULL, 0, 0, NULL, SETTING_SECRET, R_R,
    "Account of the registrar, when the roles have separate accounts.")
SETTING(JWT_SECRET_KEY, "JWT_SECRET_KEY", SETTING_STRING, NULL, 0, 0, NULL,
    SETTING_SECRET | SETTING_REQUIRED, R_W,
    "Key of the access tokens, at least 32 bytes; a comma-separated list is newest first.")
SETTING(JWT_ALGORITHM, "JWT_ALGORITHM", SETTING_CHOICE, "HS256", 0, 0,
    "HS256|HS384|HS512", NONE, R_ALL,
    "Signature algorithm of the access tokens.")
INT(JWT_EXPIRE_HOURS, "JWT_EXPIRE_HOURS", "24", 1, 8760,
    "Lifetime of an access token in hours.")
INT(REFRESH_TOKEN_EXPIRE_DAYS, "REFRESH_TOKEN_EXPIRE_DAYS", "7", 1, 3650,
    "Lifetime of a refresh token in days.")

STR(OAUTH_CLIENT_ID, "OAUTH_CLIENT_ID", NULL,
    "Client id at Linux.do; without it the provider is not offered.")
SETTING(OAUTH_CLIENT_SECRET, "OAUTH_CLIENT_SECRET", SETTING_STRING, NULL,
    0, 0, NULL, SETTING_SECRET, R_W, "Client secret at Linux.do.")
STR(OAUTH_REDIRECT_URI, "OAUTH_REDIRECT_URI", NULL,
    "Redirect URI for Linux.do; default PUBLIC_BASE_URL/api/auth/callback/linux_do.")
STR(OAUTH_AUTHORIZATION_ENDPOINT, "OAUTH_AUTHORIZATION_ENDPOINT",
    "https://connect.linux.do/oauth2/authorize",
    "Authorization endpoint of the provider linux_do.")
STR(OAUTH_TOKEN_ENDPOINT, "OAUTH_TOKEN_ENDPOINT",
    "https://connect.linux.do/oauth2/token",
    "Token endpoint of the provider linux_do.")
STR(OAUTH_USER_INFO_ENDPOINT, "OAUTH_USER_INFO_ENDPOINT",
    "https://connect.linux.do/api/user",
    "User information endpoint of the provider linux_do.")
STR(GITHUB_CLIENT_ID, "GITHUB_CLIENT_ID", NULL,
    "Client id at GitHub; without it the provider is not offered.")
SETTING(GITHUB_CLIENT_SECRET, "GITHUB_CLIENT_SECRET", SETTING_STRING, NULL,
    0, 0, NULL, SETTING_SECRET, R_W, "Client secret at GitHub.")
STR(GITHUB_REDIRECT_URI, "GITHUB_REDIRECT_URI", NULL,
    "Redirect URI for GitHub; default PUBLIC_BASE_URL/api/auth/callback/github.")
STR(GITHUB_AUTHORIZATION_ENDPOINT, "GITHUB_AUTHORIZATION_ENDPOINT", NULL,
    "Authorization endpoint of a GitHub Enterprise server.")
STR(GITHUB_TOKEN_ENDPOINT, "GITHUB_TOKEN_ENDPOINT", NULL,
    "Token endpoint of a GitHub Enterprise server.")
STR(GITHUB_USER_INFO_ENDPOINT, "GITHUB_USER_INFO_ENDPOINT", NULL,
    "User endpoint of a GitHub Enterprise server.")
SETTING(OIDC_ISSUER, "OIDC_*_ISSUER", SETTING_STRING, NULL, 0, 0, NULL,
    SETTING_PATTERN, R_ALL,
    "Issuer of an OpenID Connect provider; * is its name, in lower case its id.")
SETTING(OIDC_CLIENT_ID, "OIDC_*_CLIENT_ID", SETTING_STRING, NULL, 0, 0,
    NULL, SETTING_PATTERN, R_ALL, "Client id at that provider.")
SETTING(OIDC_CLIENT_SECRET, "OIDC_*_CLIENT_SECRET", SETTING_STRING, NULL,
    0, 0, NULL, SETTING_PATTERN | SETTING_SECRET, R_W,
    "Client secret at that provider.")
SETTING(OIDC_SCOPES, "OIDC_*_SCOPES", SETTING_STRING, NULL, 0, 0, NULL,
    SETTING_PATTERN, R_ALL,
    "Scopes asked of that provider; default openid profile email.")
STR(PUBLIC_BASE_URL, "PUBLIC_BASE_URL", "http://localhost:8000",
    "The one base of redirect URIs and links: how browsers reach the gateway.")
STR(FRONTEND_ORIGINS, "FRONTEND_ORIGINS", NULL,
    "Origins that may call from browsers (CORS), separated by commas.")
BOOL(ALLOW_NEW_ACCOUNTS, "ALLOW_NEW_ACCOUNTS", "true",
    "Whether people who were never here may sign up.")
INT(MIN_TRUST_LEVEL, "MIN_TRUST_LEVEL", "0", 0, 1000,
    "Trust level that a new account needs.")

STR(LISTEN, "PLUGWAY_LISTEN", NULL,
    "Socket to open when none is handed over: unix:/path or 127.0.0.1:9000.")
STR(CONTROL, "PLUGWAY_CONTROL", NULL,
    "Path of the control socket of plugwayctl; default in the run directory.")
STR(RUN_DIR, "PLUGWAY_RUN_DIR", NULL,
    "Directory of the control socket and the lock; default /run/plugway or ~/.plugway.")
STR(DATA_DIR, "PLUGWAY_DATA_DIR", NULL,
    "Directory of the console, the API documentation and the migrations.")
STR(USER, "PLUGWAY_USER", NULL,
    "User of the workers when started as root; default plugway, www-data or nobody.")
STR(USER_KEEPER, "PLUGWAY_USER_KEEPER", NULL,
    "User of the keeper when started as root; default plugway-keeper or as the workers.")
STR(USER_REGISTRAR, "PLUGWAY_USER_REGISTRAR", NULL,
    "User of the registrar when started as root; default plugway-registrar or as the workers.")
INT(WORKERS_MIN, "PLUGWAY_WORKERS_MIN", "4", 1, 65536,
    "Workers that always run.")
INT(WORKERS_MAX, "PLUGWAY_WORKERS_MAX", "1024", 1, 65536,
    "Workers that run at most.")
INT(WORKERS_SPARE_MIN, "PLUGWAY_WORKERS_SPARE_MIN", "4", 0, 65536,
    "Idle workers below which more are started.")
INT(WORKERS_SPARE_MAX, "PLUGWAY_WORKERS_SPARE_MAX", "16", 1, 65536,
    "Idle workers above which some are retired.")
INT(WORKER_REQUESTS, "PLUGWAY_WORKER_REQUESTS", "50000", 1, 2147483647,
    "Requests after which a worker is replaced.")
INT(LISTEN_BACKLOG, "PLUGWAY_LISTEN_BACKLOG", "4096", 1, 65535,
    "Connections that may wait to be accepted.")
SETTING(LOG_LEVEL, "PLUGWAY_LOG_LEVEL", SETTING_CHOICE, "info", 0, 0,
    "debug|info|warn|error", NONE, R_ALL, "Least level that is logged.")
SETTING(LOG_FORMAT, "PLUGWAY_LOG_FORMAT", SETTING_CHOICE, "text", 0, 0,
    "text|json", NONE, R_ALL, "Form of log lines.")
STR(LOG, "PLUGWAY_LOG", "stderr", "Where to log: stderr, syslog or a file.")
SETTING(METRICS_TOKEN, "PLUGWAY_METRICS_TOKEN", SETTING_STRING, NULL, 0, 0,
    NULL, SETTING_SECRET, R_W,
    "Bearer token for /metrics; without it only loopback clients are answered.")

INT(REGISTRATION_WAIT_MS, "PLUGWAY_REGISTRATION_WAIT_MS", "3000", 0, 60000,
    "Milliseconds that a first sign-in waits for its account.")
SEC(LEASE, "PLUGWAY_LEASE_S", "60", 1, 3600,
    "Lease of a registration job.")
SEC(ATTEMPT_GRACE, "PLUGWAY_ATTEMPT_GRACE_S", "900", 1, 86400,
    "Age at which an attempt of unknown outcome counts as over.")
SEC(SWEEP_INTERVAL, "PLUGWAY_SWEEP_INTERVAL_S", "600", 0.1, 86400,
    "Time between two sweeps for orphaned upstream accounts.")
SEC(QUARANTINE, "PLUGWAY_QUARANTINE_S", "604800", 0, 31536000,
    "Time between disabling and deleting an orphaned upstream account.")
SEC(CONNECT_TIMEOUT, "PLUGWAY_CONNECT_TIMEOUT_S", "2", 0.01, 60,
    "Time to connect to the upstream; TLS may take 3 s more.")
SEC(REQUEST_TIMEOUT, "PLUGWAY_REQUEST_TIMEOUT_S", "30", 0.1, 3600,
    "Total time of a management call.")
SEC(CHAT_TIMEOUT, "PLUGWAY_CHAT_TIMEOUT_S", "600", 0.1, 7200,
    "Total time of a chat that is not streamed.")
SEC(STREAM_FIRST_BYTE, "PLUGWAY_STREAM_FIRST_BYTE_S", "320", 0.1, 7200,
    "Time to the first byte of a stream.")
SEC(STREAM_IDLE, "PLUGWAY_STREAM_IDLE_S", "320", 0.1, 7200,
    "Longest gap in a stream.")
SEC(STREAM_TOTAL, "PLUGWAY_STREAM_TOTAL_S", "1200", 0.1, 86400,
    "Total time of a stream.")
SEC(STREAM_COMMIT, "PLUGWAY_STREAM_COMMIT_S", "10", 0, 3600,
    "Silence after which a stream is answered 200 before the upstream spoke; 0: never.")
SEC(HEARTBEAT, "PLUGWAY_HEARTBEAT_S", "5", 0, 3600,
    "Time between comments in a silent stream; 1 is better behind Apache, 0: none.")
SEC(CLIENT_STALL, "PLUGWAY_CLIENT_STALL_S", "30", 0.1, 3600,
    "Time that a client may take nothing before both sides are ended.")
SEC(UPSTREAM_KEEPALIVE, "PLUGWAY_UPSTREAM_KEEPALIVE_S", "4", 0, 3600,
    "Age up to which an idle upstream connection is used again.")
STR(UPSTREAM_CA_FILE, "PLUGWAY_UPSTREAM_CA_FILE", NULL,
    "Certificates that an https upstream is checked with; a short file saves memory.")
INT(USER_REQUESTS, "PLUGWAY_USER_REQUESTS", "8", 0, 65536,
    "Requests of one user at once; 0: no limit.")
INT(USER_STREAMS, "PLUGWAY_USER_STREAMS", "4", 0, 65536,
    "Streams of one user at once; 0: no limit.")
INT(USER_RATE, "PLUGWAY_USER_RATE", "10", 0, 100000,
    "Requests per second of one user; 0: no limit.")
INT(USER_BURST, "PLUGWAY_USER_BURST", "40", 1, 100000,
    "Requests of one user above the rate, for a moment.")
INT(STREAM_SHARE, "PLUGWAY_STREAM_SHARE", "70", 0, 100,
    "Percent of all workers that may stream; 0: no limit.")
INT(SIGNIN_RATE, "PLUGWAY_SIGNIN_RATE", "30", 0, 100000,
    "Sign-in calls per minute and client address; 0: no limit.")
SETTING(MAX_BODY, "PLUGWAY_MAX_BODY", SETTING_BYTES, "20M", 1024, 52428800,
    NULL, NONE, R_ALL, "Largest request body in bytes.")
INT(TENANT_SLOTS, "PLUGWAY_TENANT_SLOTS", "16384", 64, 4194304,
    "Users whose keys are held in shared memory.")
SEC(TENANT_TTL, "PLUGWAY_TENANT_TTL_S", "60", 0.1, 3600,
    "Time after which a held key is read from the database again.")
SEC(MAX_STALE, "PLUGWAY_MAX_STALE_S", "300", 0, 86400,
    "Time that held keys serve while the database does not answer.")
SETTING(HTTP_PORT, "PLUGWAY_HTTP_PORT", SETTING_INT, "8000", 1, 65535, NULL,
    SETTING_IGNORED, R_ALL, "Port of the web server that quickstart starts.")
SETTING(WEB_SERVER, "PLUGWAY_WEB_SERVER", SETTING_CHOICE, "lighttpd", 0, 0,
    "lighttpd|nginx|apache|apache-fcgid", SETTING_IGNORED, R_ALL,
    "Web server that quickstart starts.")

#undef R_ALL
#undef R_W
#undef R_K
#undef R_R
#undef NONE
#undef INT
#undef SEC
#undef STR
#undef BOOL
