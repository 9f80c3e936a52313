#!/bin/bash
# Runs the linters and every test, and leaves no mount, loop device, container or process behind, also when it fails.
# Everything that tests make lies in one directory, which is not the one of tests that are run by hand.
set -euo pipefail

export TINE_TEST_DIR=/var/tmp/tine-make-test
export TMPDIR=$TINE_TEST_DIR/tmp

exec 9>/var/tmp/tine-make-test.lock
flock -n 9 || { echo "test.sh: another make test is running" >&2; exit 1; }

# The teardown is built before anything can fail, and runs without the lock's descriptor, as do the tests: what they start must not keep it.
cleaner=$(mktemp -d -p /var/tmp tine-teardown.XXXXXX)
go build -o "$cleaner/teardown" ./internal/testnode/cmd/teardown

left() {
	grep -F "$TINE_TEST_DIR" /proc/self/mountinfo || true
	losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$TINE_TEST_DIR" || true
}

finish() {
	local status=$?
	trap - EXIT
	"$cleaner/teardown" 9>&- || status=1
	rm -rf "$cleaner"
	if [ -n "$(left)" ]; then
		echo "test.sh: the tests left mounts or loop devices:" >&2
		left >&2
		status=1
	else
		rm -rf "$TINE_TEST_DIR"
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What an earlier run left that was killed.
"$cleaner/teardown" 9>&-
mkdir -p "$TMPDIR"

make --no-print-directory lint 9>&-
# One package at a time: many run nodes, and two of those are enough for a small machine.
go test -p 2 -timeout 10m ./... 9>&-
