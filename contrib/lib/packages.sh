# shellcheck shell=bash
# Debian packages for contrib/quickstart and contrib/check, which source
# this.  Installs only what is missing, and keeps the packages' own
# services from being started: only what our scripts start may run.

policy=/usr/sbin/policy-rc.d
policy_ours=

packages_policy_remove() {
	if [ -n "$policy_ours" ]; then
		rm -f "$policy"
		policy_ours=
	fi
}

# The packages of the named sections of contrib/packages.txt.
packages_of() {
	local section
	for section in "$@"; do
		awk -v want="[$section]" '
			/^#/ || NF == 0 { next }
			/^\[/ { on = ($1 == want); next }
			on { print $1 }' "${top:?}/contrib/packages.txt"
	done | sort -u
}

package_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
	    installed ]
}

# Of those, the ones that are not installed; of "a|b" the first.
packages_missing() {
	local entry name
	for entry in $(packages_of "$@"); do
		for name in ${entry//|/ }; do
			package_installed "$name" && continue 2
		done
		echo "${entry%%|*}"
	done
}

# Installs what the sections need.  Returns 1 after naming what is still
# missing.  $1: where apt's output goes.
packages_install() {
	local log=$1 missing
	shift
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "These packages are missing, and there is no apt-get here:" >&2
		echo "    ${missing[*]}" >&2
		return 1
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "These packages are missing.  As root:" >&2
		echo "    apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "    installing ${#missing[@]} packages: ${missing[*]}"
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		policy_ours=yes
	fi
	{
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q update || :
		apt-get -q -y --no-install-recommends install \
		    "${missing[@]}" </dev/null
	} >>"$log" 2>&1 || :
	packages_policy_remove
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "These packages could not be installed (see $log):" >&2
	echo "    ${missing[*]}" >&2
	return 1
}
