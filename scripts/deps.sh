#!/bin/bash
# Installs the Debian packages that Tine needs and this machine lacks; `deps.sh clients` those of the tests' clients as well. Says
# nothing if there are none.
set -euo pipefail

# What each command comes from.
packages=(
	runc:runc
	mmdebstrap:mmdebstrap
	mkfs.btrfs:btrfs-progs
	losetup:mount
	gpgv:gpgv
	git:git
	make:make
)
[ "${1:-}" != clients ] || packages+=(node:nodejs npm:npm chromium:chromium)

missing=()
for entry in "${packages[@]}"; do
	PATH="$PATH:/usr/sbin:/sbin" command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
# Two that come with no command: for Go's downloads, and for the engine's.
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
# Debian's own Python has it, whichever comes first in the PATH.
[ "${1:-}" != clients ] || [ -e /usr/lib/python3/dist-packages/gridfs ] || missing+=(python3-pymongo-ext python3-gridfs)
[ ${#missing[@]} -eq 0 ] && exit

echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A mirror that is a snapshot is past its Valid-Until, which says nothing about its signatures.
apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Check-Valid-Until=false "$@" >>"$log" 2>&1 || {
		cat "$log" >&2
		echo "deps.sh: apt-get $1 failed (it needs root and a Debian mirror)" >&2
		exit 1
	}
}
apt update
apt install -y --no-install-recommends "${missing[@]}"
