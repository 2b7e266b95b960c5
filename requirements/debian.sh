#!/usr/bin/env bash
# The program beside Python that some tests use: a browser. Installs it where this account may; otherwise says so loudly, and
# the tests that need it fail and say so again. (Prometheus' checker of rules is fetched by its tests themselves.)
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing from Debian, for tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Whatever a package brings along, no daemon shall start here.
  policy=/usr/sbin/policy-rc.d
  if ! [ -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  if apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; then
    exit 0
  fi
fi

cat >&2 <<END

  ┌──────────────────────────────────────────────────────────────────────────────
  │ Missing: ${missing[*]}
  │ Tests that need them will FAIL. To have them pass:
  │
  │     sudo apt-get install --no-install-recommends ${missing[*]}
  └──────────────────────────────────────────────────────────────────────────────

END
