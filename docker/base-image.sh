#!/usr/bin/env bash
# Makes the image streamlabel-base:bookworm out of Debian's packages alone, for machines that reach no image registry:
#
#   docker/base-image.sh && make images BASE_IMAGE=streamlabel-base:bookworm
#
# Needs root, a Docker engine and debootstrap (apt-get install docker.io debootstrap). Does nothing where the image exists.
set -euo pipefail
image=${1:-streamlabel-base:bookworm}
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is there already"
  exit 0
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# The mirror that this machine uses itself.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' | sort -u | head -1)
[ -n "$mirror" ] || { echo "This machine has no package source for Debian bookworm." >&2; exit 1; }
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root" "$mirror" >/dev/null
# The authorities that this machine trusts, so that a build behind a proxy can fetch packages.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
tar -C "$root" -c . | docker import - "$image" >/dev/null
echo "made $image"
