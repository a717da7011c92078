#!/bin/sh
# check_floors: holds every include of src/ against src/FLOORS.
#
# A file includes its own floor and floors below it, always by floor, and
# each large library has one user.  $1, or $srcdir, is the top of the
# source tree.  Prints one line for each fault; exits 1 when there is one.
set -eu

top=${1:-${srcdir:-.}}
cd "$top"
if [ ! -r src/FLOORS ]; then
	echo "check_floors: no src/FLOORS in $top" >&2
	exit 2
fi

files=$(find src -name '*.[ch]' | LC_ALL=C sort)
if [ -z "$files" ]; then
	echo "check_floors: no sources in $top/src" >&2
	exit 2
fi

# The names of our files have no blanks: the list may be split.
# shellcheck disable=SC2086
awk '
function fault(text) {
	printf "%s:%d: %s\n", FILENAME, FNR, text
	n_faults++
}

# The floor of a path, "" when it names none.
function floor_of(path,    part) {
	split(path, part, "/")
	return part[1] in level ? part[1] : ""
}

# Libraries that only some files may see.
function library(header) {
	if (header ~ /^fcgi/ || header ~ /^fastcgi/)
		return "libfcgi"
	if (header ~ /^curl\//)
		return "libcurl"
	if (header ~ /^(mysql|mariadb|errmsg\.h|my_)/)
		return "the database client"
	return ""
}

function may_use(lib) {
	return lib == "libfcgi" ? FILENAME == "src/http/fcgi.c" :
	    lib == "libcurl" ? floor == "net" : floor == "store"
}

FILENAME == "src/FLOORS" {
	sub(/#.*/, "")
	if (NF > 0)
		level[$1] = ++n_levels
	next
}

FNR == 1 {
	n_files++
	floor = floor_of(substr(FILENAME, 5))
	if (floor == "")
		fault("lies on no floor of src/FLOORS")
}

!/^[ \t]*#[ \t]*include/ { next }

{
	line = $0
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
	kind = substr(line, 1, 1)
	header = substr(line, 2)
	sub(/[">].*/, "", header)
	target = floor_of(header)
}

kind != "\"" && kind != "<" {
	fault("an include must name its file")
	next
}

library(header) != "" {
	if (!may_use(library(header)))
		fault(header ": " library(header) " has no business here")
	next
}

kind == "<" {
	if (target != "")
		fault(header " is ours: write it in quotes")
	next
}

header == "config.h" { next }

target == "" || header ~ /\.\./ {
	fault(header " does not name a floor")
	next
}

floor != "" && level[target] > level[floor] {
	fault(header ": " floor " must not include " target " above it")
}

END {
	if (n_faults > 0)
		exit 1
	printf "%d files on %d floors\n", n_files, n_levels
}
' src/FLOORS $files
