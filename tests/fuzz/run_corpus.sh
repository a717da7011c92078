#!/bin/sh
# run_corpus: replays the corpus of each fuzz target.
#
# FUZZ_TARGETS names them; target x is the program tests/fuzz/replay_x
# in the build tree and the directory tests/fuzz/corpus/x in the source
# tree.
set -u

if [ -z "${FUZZ_TARGETS:-}" ]; then
	echo "run_corpus: FUZZ_TARGETS is empty" >&2
	exit 2
fi

status=0
for target in $FUZZ_TARGETS; do
	if ! "tests/fuzz/replay_$target" \
	    "${srcdir:-.}/tests/fuzz/corpus/$target"; then
		echo "run_corpus: $target failed" >&2
		status=1
	fi
done

# A corpus that no target replays is dead weight.
for corpus in "${srcdir:-.}"/tests/fuzz/corpus/*; do
	case " $FUZZ_TARGETS " in
	*" ${corpus##*/} "*) ;;
	*)
		echo "run_corpus: $corpus belongs to no target" >&2
		status=1
		;;
	esac
done
exit $status
