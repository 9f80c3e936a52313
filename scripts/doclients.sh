#!/bin/bash
# Builds DigitalOcean's clients as they were released, for the tests in e2e/doclients: doctl, their provider for Terraform, and OpenTofu
# to run it. The Go module proxy need not have the first two, so they are built from their repositories, which bring all that they
# consist of; DOCTL_REPO and PROVIDER_REPO may name copies of these. What is built goes into the user's cache, by its version.
set -euo pipefail
cd "$(dirname "$0")/.."

doctl_tag=v1.166.0 doctl_commit=b98e74427bb51e2eb16fec42238ee2351dfb0d5f
provider_tag=v2.99.1 provider_commit=401992a1e493a0e3cfc833197820867991fc011f
doctl_repo=${DOCTL_REPO:-https://github.com/digitalocean/doctl}
provider_repo=${PROVIDER_REPO:-https://github.com/digitalocean/terraform-provider-digitalocean}

hash=$(cat "$0" e2e/doclients/tools/go.mod e2e/doclients/tools/go.sum | sha256sum | cut -c 1-16)
bin=${XDG_CACHE_HOME:-$HOME/.cache}/tine/doclients-$hash
mkdir -p "$bin"
exec 9>"$bin/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# from_repository NAME REPOSITORY TAG COMMIT PACKAGE [FLAG...]: builds it, unless it is there.
from_repository() {
	local name=$1 repo=$2 tag=$3 commit=$4 package=$5
	shift 5
	[ ! -e "$bin/$name" ] || return 0
	echo "building $name $tag from $repo"
	git init -q "$work/$name"
	git -C "$work/$name" fetch -q --depth 1 "$repo" "refs/tags/$tag"
	git -C "$work/$name" checkout -q FETCH_HEAD
	[ "$(git -C "$work/$name" rev-parse HEAD)" = "$commit" ] || { echo "doclients.sh: $tag of $repo is not the commit $commit" >&2; exit 1; }
	go -C "$work/$name" build -mod=vendor "$@" -o "$work/$name.bin" "$package"
	mv "$work/$name.bin" "$bin/$name"
}

IFS=. read -r major minor patch <<<"${doctl_tag#v}"
version="-X github.com/digitalocean/doctl.Major=$major -X github.com/digitalocean/doctl.Minor=$minor -X github.com/digitalocean/doctl.Patch=$patch"
from_repository doctl "$doctl_repo" "$doctl_tag" "$doctl_commit" ./cmd/doctl -ldflags "$version -X github.com/digitalocean/doctl.Label=release"
from_repository terraform-provider-digitalocean "$provider_repo" "$provider_tag" "$provider_commit" .
if [ ! -e "$bin/tofu" ]; then
	echo "building tofu $(go -C e2e/doclients/tools list -m -f '{{.Version}}' github.com/opentofu/opentofu)"
	go -C e2e/doclients/tools build -o "$work/tofu.bin" github.com/opentofu/opentofu/cmd/tofu
	mv "$work/tofu.bin" "$bin/tofu"
fi
ln -sfn "$bin" e2e/doclients/bin
