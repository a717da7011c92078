#!/bin/sh
# check_floors_test: check_floors.sh can fail, and only when it should.
#
# Builds small source trees with one include each.
set -eu

check=${srcdir:-.}/tests/check_floors.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n_wrong=0

# expect RESULT FILE LINE: RESULT is 0 or 1.
expect() {
	rm -rf "$dir/src"
	mkdir -p "$dir/src/$(dirname "$2")"
	printf '# bottom first\nbase\nstore\nnet\nhttp\n' >"$dir/src/FLOORS"
	printf '/* a comment */\n%s\n' "$3" >"$dir/src/$2"
	got=0
	sh "$check" "$dir" >"$dir/out" 2>&1 || got=$?
	if [ "$got" -ne "$1" ]; then
		echo "src/$2 with $3: exit $got, not $1"
		cat "$dir/out"
		n_wrong=$((n_wrong + 1))
	elif [ "$1" -eq 1 ] && ! grep -q "^src/$2:[12]: " "$dir/out"; then
		echo "src/$2 with $3: the place is not named"
		n_wrong=$((n_wrong + 1))
	fi
}

expect 0 base/a.c '#include "base/buf.h"'
expect 0 store/a.c '#include "base/buf.h"'
expect 0 http/a.h '#include "store/db.h"'
expect 0 base/a.c '#include <stdio.h>'
expect 0 base/a.c '#include "config.h"'
expect 0 http/fcgi.c '#include <fcgiapp.h>'
expect 0 net/a.c '#include <curl/curl.h>'
expect 0 store/a.c '#include <mysql.h>'
expect 0 base/a.c 'int include;'

expect 1 base/a.c '#include "store/db.h"'
expect 1 base/a.h '#include "http/request.h"'
expect 1 store/a.c '  #  include	"net/url.h"'
expect 1 base/a.c '#include "buf.h"'
expect 1 base/a.c '#include "nowhere/buf.h"'
expect 1 store/a.c '#include "../base/buf.h"'
expect 1 store/a.c '#include "base/../store/db.h"'
expect 1 store/a.c '#include <base/buf.h>'
expect 1 base/a.c '#include HEADER'
expect 1 attic/a.c '#include <stdio.h>'
expect 1 http/other.c '#include <fcgiapp.h>'
expect 1 http/fcgi.h '#include "fcgi_stdio.h"'
expect 1 http/a.c '#include <curl/curl.h>'
expect 1 http/a.c '#include <mysql.h>'
expect 1 net/a.c '#include <mariadb/mysql.h>'
expect 1 net/a.c '#include <mysql/mysql.h>'
expect 1 net/a.c '#include <mysqld_error.h>'

if [ "$n_wrong" -gt 0 ]; then
	echo "$n_wrong of the trees were judged wrongly"
	exit 1
fi
