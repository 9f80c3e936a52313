#!/bin/bash
# Runs the linters and every test, and leaves no mount, loop device, container or process behind, also when it fails.
# Everything that tests make lies in one directory, which is not that of tests that are run by hand.
set -euo pipefail

export TINE_TEST_DIR=/var/tmp/tine-make-test
export TMPDIR=$TINE_TEST_DIR/tmp

# What is started here must not inherit the lock: it is free as soon as this script ends.
exec 9>/var/tmp/tine-make-test.lock
flock -n 9 || { echo "test.sh: another make test is running" >&2; exit 1; }

# kill_tests ends the processes of tests, which all have our directory in their command line, as has the tine that they run.
kill_tests() {
	local process
	for process in /proc/[0-9]*; do
		if grep -qsF "$TINE_TEST_DIR/" "$process/cmdline"; then
			kill -KILL "${process#/proc/}" 2>/dev/null || true
		fi
	done
}

# abort_disks ends the file systems that tests serve themselves. Else a test that was killed while a pool lay on one waits for ever for its own answers, and
# everybody who asks the pool waits with it.
abort_disks() {
	local control=$TMPDIR/fusectl disk
	grep -F "$TINE_TEST_DIR" /proc/self/mountinfo | grep -qF ' - fuse' || return 0
	mkdir -p "$control"
	mount -t fusectl fusectl "$control"
	grep -F "$TINE_TEST_DIR" /proc/self/mountinfo | grep -F ' - fuse.' | cut -d ' ' -f 3 | cut -d : -f 2 | while read -r disk; do
		[ ! -e "$control/$disk/abort" ] || echo 1 >"$control/$disk/abort"
	done
	umount "$control"
}

# stop_tines ends in order what a killed test left running: each tine's next start adopts its nodes, and stops them.
stop_tines() {
	local lock
	find "$TMPDIR" -mindepth 2 -maxdepth 6 -path '*/data/lock' 2>/dev/null | while read -r lock; do
		TINE_DATA_DIR=${lock%/lock} TINE_CONFIG=$(dirname "${lock%/lock}")/config.yaml TINE_LISTEN=127.0.0.1:0 timeout 150 scripts/service.sh stop || true
	done
}

left() {
	grep -F "$TINE_TEST_DIR" /proc/self/mountinfo || true
	losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$TINE_TEST_DIR" || true
}

loops() { losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$TINE_TEST_DIR" | cut -d ' ' -f 1; }

# kill_nodes ends what runs in containers whose files are on a loop device of ours: nodes of a tine that does not start any more.
kill_nodes() {
	local loop process ours
	ours=$(readlink /proc/self/ns/mnt)
	for loop in $(loops); do
		for process in /proc/[0-9]*; do
			if [ "$(readlink "$process/ns/mnt")" != "$ours" ] && grep -qsF " $loop " "$process/mountinfo"; then
				kill -KILL "${process#/proc/}" 2>/dev/null || true
			fi
		done
	done
}

# remove_left unmounts and detaches what is left. Tine's loop devices go with their mounts; those that a test has attached keep the file system below them in use,
# as do processes that are just ending.
remove_left() {
	local try
	kill_nodes
	for try in {1..50}; do
		grep -F "$TINE_TEST_DIR" /proc/self/mountinfo | cut -d ' ' -f 5 | tac | xargs -r -n 1 timeout 20 umount 2>/dev/null || true
		loops | xargs -r -n 1 timeout 20 losetup --detach 2>/dev/null || true
		[ -n "$(left)" ] || return 0
		sleep 0.1
	done
	echo "test.sh: still there after $try tries:" >&2
	left >&2
}

# clean removes what tests have made. It fails if that was more than they may leave.
clean() {
	local status=0
	abort_disks || status=1
	kill_tests
	stop_tines || status=1
	timeout 120 go run ./internal/testnode/cmd/teardown || status=1
	if [ -n "$(left)" ]; then
		status=1
		echo "test.sh: the tests left mounts or loop devices:" >&2
		left >&2
		remove_left
	fi
	rm -rf --one-file-system "$TINE_TEST_DIR" || status=1
	return "$status"
}

finish() {
	local status=$?
	trap '' INT TERM
	[ -z "$group" ] || kill -KILL -- "-$group" 2>/dev/null || true
	mkdir -p "$TMPDIR"
	clean 9>&- || status=1
	exit "$status"
}
group=
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# patiently runs a command in a process group of its own, so that a signal ends the wait for it, and then all of it, at once.
patiently() {
	set -m
	"$@" 9>&- &
	group=$!
	set +m
	wait "$group"
	group=
}

mkdir -p "$TMPDIR"
clean 9>&- || true # what an earlier run left that was killed, which is not this one's failure
mkdir -p "$TMPDIR"
patiently scripts/clients.sh
patiently make --no-print-directory lint
# Three packages at a time: many of them run nodes, which is work for more than one processor each, and all of them wait for most of their time. Results are never taken from Go's cache:
# it does not know that the end-to-end tests build tine, and would go on to say what they said of an earlier one.
patiently go test -p 3 -count 1 -timeout 14m "$@" ./...
