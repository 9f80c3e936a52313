#!/bin/bash
# Builds MongoDB's Database Tools as they were released, for the tests in e2e/mongotools. Neither the Go module proxy nor Debian has them, so they
# are built from their repository, which brings all that they consist of; MONGO_TOOLS_REPO may name a copy of it. What is built goes into the
# user's cache, by its version.
set -euo pipefail
cd "$(dirname "$0")/.."

tag=100.18.0 commit=21a342dfee6468ad9350d156d25086da64dd03b1
repo=${MONGO_TOOLS_REPO:-https://github.com/mongodb/mongo-tools}

bin=${XDG_CACHE_HOME:-$HOME/.cache}/tine/mongotools-$tag
mkdir -p "$bin"
exec 9>"$bin/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in mongodump mongorestore mongoexport mongoimport mongostat mongotop mongofiles; do
	[ ! -e "$bin/$tool" ] || continue
	if [ ! -e "$work/tools" ]; then
		echo "building the Database Tools $tag from $repo"
		git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$tag" "$repo" "$work/tools"
		[ "$(git -C "$work/tools" rev-parse HEAD)" = "$commit" ] || { echo "mongotools.sh: $tag of $repo is not the commit $commit" >&2; exit 1; }
	fi
	CGO_ENABLED=0 go -C "$work/tools" build -mod=vendor -ldflags "-X main.VersionStr=$tag" -o "$work/$tool" "./$tool/main"
	mv "$work/$tool" "$bin/$tool"
done
ln -sfn "$bin" e2e/mongotools/bin
