/*
 * sockets: where requests come in, and where plugwayctl comes in.
 */
#ifndef PROC_SOCKETS_H
#define PROC_SOCKETS_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * The listening socket: one on fd 0 (spawn-fcgi, lighttpd, mod_fcgid),
 * one from systemd (LISTEN_PID, LISTEN_FDS), or addr ("unix:/path" with
 * mode 0660, "127.0.0.1:9000", "[::1]:9000") opened here.  Returned
 * non-blocking, close-on-exec, above 2, with the backlog set.  -1 and a
 * sentence in why.
 */
int	 sockets_listen(const char *addr, int backlog, struct buf *why);
/*
 * In the environment: the socket handed over was opened by this program
 * at the address given, so its file goes with it in the end.
 */
#define SOCKETS_OWNED	"PLUGWAYD_SOCKET_OWNED=1"
/* Is a listening socket handed over? */
bool	 sockets_inherited(void);
/* The path of a UNIX socket that sockets_listen() made; NULL: none. */
const char *sockets_listen_path(void);

/*
 * A UNIX socket of mode 0600 at path; a stale one is replaced.  -1 and a
 * sentence when somebody answers there or it cannot be made.
 */
int	 sockets_control(const char *path, struct buf *why);
/* Connects to a control socket; -1 with errno. */
int	 sockets_control_connect(const char *path);

#endif
