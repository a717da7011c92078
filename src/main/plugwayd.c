/*
 * plugwayd: the daemon.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/settings.h"
#include "proc/bridge.h"
#include "proc/master.h"

static const char usage_text[] =
"usage: plugwayd [--env FILE] [--listen ADDR] [--check] [--foreground]\n"
"                [--bridge] [--version] [--help]\n"
"\n"
"  --env FILE     read the configuration from FILE (default " \
    SETTINGS_FILE_DEFAULT "\n"
"                 when it is there); the environment goes before the file\n"
"  --listen ADDR  unix:/path (mode 0660) or 127.0.0.1:9000, when no socket\n"
"                 is handed over on descriptor 0 or by systemd\n"
"  --check        validate configuration, keys and database, and exit\n"
"  --foreground   stay in the foreground\n"
"  --bridge       be started by mod_fcgid: relay to the plugwayd that\n"
"                 listens on ADDR, and start it when it does not run\n";

enum { OPT_VERSION = 256, OPT_BRIDGE };

static const struct option options[] = {
	{ "env", required_argument, NULL, 'e' },
	{ "listen", required_argument, NULL, 'l' },
	{ "check", no_argument, NULL, 'c' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "bridge", no_argument, NULL, OPT_BRIDGE },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

int
main(int argc, char **argv)
{
	struct master_args a = { .argc = argc, .argv = argv };
	bool bridge = false;
	int c;

	while ((c = getopt_long(argc, argv, "e:l:cfh", options, NULL)) != -1)
		switch (c) {
		case 'e':
			a.env_file = optarg;
			break;
		case 'l':
			a.listen = optarg;
			break;
		case 'c':
			a.check = true;
			break;
		case 'f':
			a.foreground = true;
			break;
		case OPT_BRIDGE:
			bridge = true;
			break;
		case OPT_VERSION:
			(void)printf("plugwayd " PLUGWAY_VERSION "\n");
			return 0;
		case 'h':
			(void)fputs(usage_text, stdout);
			return 0;
		default:
			(void)fputs(usage_text, stderr);
			return 2;
		}
	if (optind != argc) {
		(void)fputs(usage_text, stderr);
		return 2;
	}
	if (a.env_file == NULL && access(SETTINGS_FILE_DEFAULT, R_OK) == 0)
		a.env_file = SETTINGS_FILE_DEFAULT;
	if (bridge) {
		const struct bridge_args b = { a.listen, a.env_file,
		    "/proc/self/exe" };

		return bridge_run(&b);
	}
	return master_run(&a);
}
