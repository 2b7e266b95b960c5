#!/usr/bin/env bash
# What some tests need beside Python: a browser, and a library of the node that Playwright brings. As root they are installed;
# otherwise the same signed packages are unpacked into the cache, and .venv/bin/chromium starts what lies there. Where neither
# works it is said loudly, and the tests fail and say so again. (Prometheus' checker of rules is fetched by its tests themselves.)
set -euo pipefail
cd "$(dirname "$0")/.."

have_chromium() { command -v chromium >/dev/null || [ -x .venv/bin/chromium ]; }
have_libatomic() { ldconfig -p 2>/dev/null | grep -q libatomic.so.1 || /sbin/ldconfig -p 2>/dev/null | grep -q libatomic.so.1 || [ -e .venv/lib/debian/libatomic.so.1 ]; }

missing=()
have_chromium || missing+=(chromium)
have_libatomic || missing+=(libatomic1)
[ ${#missing[@]} -eq 0 ] && exit 0

install_as_root() {
  echo "Installing from Debian, for tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Whatever a package brings along, no daemon shall start here.
  local policy=/usr/sbin/policy-rc.d
  if ! [ -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap "rm -f '$policy'" EXIT
  fi
  apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"
}

unpack_as_user() {
  local place=${STREAMLABEL_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/streamlabel}/debian-test-programs
  echo "Unpacking Debian's packages into $place, for tests: ${missing[*]} (not root: nothing is installed)"
  mkdir -p "$place"/{lists/partial,archives/partial,debs,root}
  local apt=(apt-get -q -o "Dir::State::Lists=$place/lists" -o "Dir::Cache::Archives=$place/archives"
    -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o Dir::State::Status=/var/lib/dpkg/status
    -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Acquire::Languages=none)
  local packages
  "${apt[@]}" update || return 1
  # A simulation names the packages with all that they need and this machine lacks; one font, so that text can be seen.
  packages=$("${apt[@]}" --simulate --no-install-recommends install "${missing[@]}" fonts-dejavu-core | awk '$1 == "Inst" {print $2}') || return 1
  (cd "$place/debs" && "${apt[@]}" download $packages) || return 1
  for package in "$place"/debs/*.deb; do dpkg-deb --extract "$package" "$place/root" || return 1; done
  # pulseaudio keeps its library in a folder of its own, which an installed program finds by its RUNPATH.
  local base=$place/root/usr/lib/x86_64-linux-gnu
  local libraries=$base:$place/root/lib/x86_64-linux-gnu:$base/pulseaudio
  if [ -x "$place/root/usr/lib/chromium/chromium" ]; then
    printf '<fontconfig><dir>%s</dir><cachedir>%s</cachedir></fontconfig>\n' \
      "$place/root/usr/share/fonts" "$place/font-cache" >"$place/fonts.conf"
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%q FONTCONFIG_FILE=%q exec %q "$@"\n' \
      "$libraries" "$place/fonts.conf" "$place/root/usr/lib/chromium/chromium" >.venv/bin/chromium
    chmod +x .venv/bin/chromium
  fi
  mkdir -p .venv/lib/debian
  find "$place/root" -name 'libatomic.so.1*' -exec cp -a {} .venv/lib/debian/ \;
  have_chromium && have_libatomic
}

if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then
    install_as_root && exit 0
  else
    unpack_as_user && exit 0
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
