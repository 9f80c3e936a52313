#!/bin/bash
# Installs the clients that the tests run: PyMongo, npm, and the npm packages that e2e/clients/node pins, a Node.js among them, because
# Debian 12's is too old for mongosh.
# The npm packages go into the user's cache, by the hash of what pins them; the work tree has a link to them.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh clients

dir=e2e/clients/node
pins=($dir/package.json $dir/package-lock.json $dir/.npmrc $dir/zstd)
hash=$(find "${pins[@]}" -type f | sort | xargs cat | sha256sum | cut -c 1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tine/clients-$hash

if [ ! -e "$cache/node_modules" ]; then
	echo "installing npm packages"
	mkdir -p "${cache%/*}"
	# One at a time; what was interrupted is not there.
	exec 9>"$cache.lock"
	flock 9
	new=$cache.new
	if [ ! -e "$cache/node_modules" ]; then
		rm -rf "$new"
		mkdir "$new"
		cp -r "${pins[@]}" "$new"
		# No package needs its scripts, which download and compile.
		npm --prefix "$new" ci --ignore-scripts --loglevel=error >"$new/npm.log" 2>&1 || {
			cat "$new/npm.log" >&2
			echo "clients.sh: npm ci failed" >&2
			exit 1
		}
		mv "$new" "$cache"
	fi
fi
ln -sfn "$cache/node_modules" $dir/node_modules
