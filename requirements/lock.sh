#!/usr/bin/env bash
# Writes all locks anew from pyproject.toml and the *.in files here. Needs the network; `make lock` calls it.
set -euo pipefail
cd "$(dirname "$0")"
uv=${UV:-../.venv/bin/uv}
options=(--quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate --no-header)
hashes=(--generate-hashes --upgrade)
[ "${1:-}" = --keep ] && hashes=(--generate-hashes)

lock() { # FILE HEADING ARGUMENT…: an existing lock is read for its versions when --upgrade is not given
  local file=$1 heading=$2
  shift 2
  "$uv" pip compile "${options[@]}" "${hashes[@]}" "$@" --output-file "$file"
  { printf '# %s\n# Written by requirements/lock.sh.\n' "$heading"; cat "$file"; } >"$file.new"
  mv "$file.new" "$file"
}

runtime=(../pyproject.toml build.in --extra local --extra compression --extra plot --extra oidc)
lock run.lock "What \`make run\` needs." "${runtime[@]}"
lock dev.lock "What \`make test\` and \`make check\` need: run.lock and the development group." \
  "${runtime[@]}" --extra parquet --group ../pyproject.toml:dev --constraint run.lock

target=../services/streamlabel/local/triton.lock
pins=$(mktemp --suffix .in)
trap 'rm -f "$pins"' EXIT
"$uv" pip compile "${options[@]}" --upgrade triton.in --output-file "$pins"
echo 'nvidia-pytriton==0.7.0' >>"$pins"
hashes=(--generate-hashes)
lock "$target" "The embedded Triton's environment, apart from Streamlabel's: its Python backend needs numpy 1 (numpy 2 corrupts tensors
# without an error). Of nvidia-pytriton only the server inside is used, hence none of that package's dependencies." --no-deps "$pins"
