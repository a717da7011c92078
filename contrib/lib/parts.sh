# shellcheck shell=bash
# The processes that contrib/quickstart starts, by name.  var/NAME.pid
# holds the pid and the start time of the process, so that a pid that
# was given to another process since is never taken for ours.

# shellcheck disable=SC2034
parts="web plugwayd idp upstream mariadb"

# When a process started, in ticks since boot; nothing when it is gone.
start_time() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# The name, in parentheses, may hold anything; state is the next
	# field, and Z is a process that only waits to be reaped.
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	[ "$1" != Z ] || return 1
	echo "${20}"
}

part_pid() {
	local pid began
	# shellcheck disable=SC2154
	read -r pid began 2>/dev/null <"$var/$1.pid" || return 1
	[ "$(start_time "$pid")" = "$began" ] || return 1
	echo "$pid"
}

part_alive() {
	part_pid "$1" >/dev/null 2>&1
}

# part_start NAME LOG COMMAND...: in a session of its own, so that a
# Ctrl-C meant for us does not reach it.
part_start() {
	local name=$1 file=$2 pid
	shift 2
	setsid "$@" </dev/null >>"$file" 2>&1 9>&- &
	pid=$!
	disown "$pid"
	echo "$pid $(start_time "$pid")" >"$var/$name.pid"
	# shellcheck disable=SC2034
	started=1
}

# Politely, then less so: TERM, after 15 s QUIT, after 20 s KILL.
part_stop() {
	local name=$1 pid tries=0
	if ! pid=$(part_pid "$name"); then
		rm -f "$var/$name.pid"
		return 0
	fi
	printf '==> stopping %s (pid %s)\n' "$name" "$pid"
	kill -TERM "$pid" 2>/dev/null
	while part_alive "$name"; do
		tries=$((tries + 1))
		[ $tries -ne 150 ] || kill -QUIT "$pid" 2>/dev/null
		[ $tries -ne 200 ] || kill -KILL "$pid" 2>/dev/null
		sleep 0.1
	done
	rm -f "$var/$name.pid"
}

# Whether anything listens on a TCP port of this machine.
port_taken() {
	local hex
	printf -v hex '%04X' "$1"
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
	    awk -v port="$hex" '{ n = split($2, a, ":") }
		$4 == "0A" && a[n] == port { found = 1 }
		END { exit !found }'
}
