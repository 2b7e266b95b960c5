#!/usr/bin/env bash
# Builds the one image of all services: docker/build.sh [IMAGE [BASE_IMAGE]]. `make images` calls it.
# PIP_INDEX_URL, PIP_TRUSTED_HOST and PIP_CERT of this shell are used for the build and stay out of the image.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-streamlabel:dev}
base=${2:-python:3.11-slim-bookworm}
if ! docker info >/dev/null 2>&1; then
  echo "No Docker engine answers. Debian: apt-get install docker.io; then start it (systemctl start docker, or dockerd by hand)." >&2
  exit 1
fi
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
arguments=(--file docker/Dockerfile --tag "$image" --build-arg "BASE_IMAGE=$base" --build-arg "VERSION=$version")
arguments+=(--build-arg "REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)")
for name in PIP_INDEX_URL PIP_TRUSTED_HOST PIP_CERT; do
  [ -n "${!name:-}" ] && arguments+=(--build-arg "$name")
done
docker build "${arguments[@]}" .
