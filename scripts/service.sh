#!/bin/bash
# Runs `tine up` in the background for the demo: service.sh start | stop.
# It runs with --stop-nodes, so that ending it leaves no node, mount or loop device; the data stays.
set -euo pipefail

data=${TINE_DATA_DIR:-/var/lib/tine}
log=$data/up.log
pidfile=$data/up.pid

# tine up holds this lock for as long as it lives, however it was started.
running() { [ -e "$data/lock" ] && ! flock -n "$data/lock" true; }

start() {
	mkdir -p -m 0700 "$data"
	if running; then
		echo "Tine is running already."
		return
	fi
	: >"$log"
	setsid nohup bin/tine up --stop-nodes >>"$log" 2>&1 </dev/null &
	local pid=$!
	echo "$pid" >"$pidfile"
	until grep -q '^ready' "$log"; do
		if ! kill -0 "$pid" 2>/dev/null; then
			tail -n 20 "$log" >&2
			echo "service.sh: tine up ended; the end of $log is above" >&2
			exit 1
		fi
		sleep 0.1
	done
	echo "Tine runs in the background: $(grep '^ready' "$log"), log $log"
}

stop() {
	if ! running; then
		# Killed, perhaps: its nodes go on without it. The next start adopts them, and then it can be ended in order.
		mountpoint -q "$data/pool" || { echo "Tine is not running."; return; }
		start
	fi
	local pid
	pid=$(cat "$pidfile" 2>/dev/null || true)
	if [ -z "$pid" ] || ! grep -qs tine "/proc/$pid/comm"; then
		echo "service.sh: the running tine up was not started by make demo; end it yourself" >&2
		exit 1
	fi
	kill -TERM "$pid"
	timeout 120 tail --pid="$pid" -f /dev/null || { echo "service.sh: tine up (process $pid) does not end" >&2; exit 1; }
	rm -f "$pidfile"
	echo "Tine is stopped with its nodes. Its data is still in $data."
}

case ${1:-} in
start | stop) "$1" ;;
*) echo "usage: service.sh start|stop" >&2 && exit 2 ;;
esac
