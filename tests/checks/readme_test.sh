# The commands of README.md and docs/ give the output that stands below them. Prints TAP.
#
# A ```console block is "$ command" (continued by "> " lines), then what it prints. "…" stands for anything in a line,
# a line that is only "…" for any lines; blanks at the end of a line do not count. The blocks of a page run in order
# in one shell, in a directory of their own that has the page's docs/example. The clock stands still, and
# 127.0.0.1:8080 is taken for a free port.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
program=${RAPPORT_PROGRAM:-$root/build/rapport}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Cuts a page into $work/steps/N.command, N.output and N.line.
cut_page() {
  rm -rf "$work/steps"
  mkdir "$work/steps"
  sed "s/127\.0\.0\.1:8080/127.0.0.1:$2/g" "$1" | awk -v dir="$work/steps" '
    function file(kind) { return sprintf("%s/%04d.%s", dir, step, kind) }
    /^```console$/ { inside = 1; next }
    /^```$/ { inside = 0; next }
    !inside { next }
    /^\$ / {
      step++
      print FNR > file("line")
      print substr($0, 3) > file("command")
      printf "" > file("output")
      asked = 1
      next
    }
    asked && /^> / { print substr($0, 3) > file("command"); next }
    { asked = 0; print > file("output") }'
}

# matches EXPECTED GOT: both are files.
matches() {
  awk '
    function fits(pattern, line, parts, n, i, at) {
      n = split(pattern, parts, "…")
      if (n <= 1) return pattern == line
      if (substr(line, 1, length(parts[1])) != parts[1]) return 0
      line = substr(line, length(parts[1]) + 1)
      for (i = 2; i < n; i++) {
        at = index(line, parts[i])
        if (!at) return 0
        line = substr(line, at + length(parts[i]))
      }
      return length(line) >= length(parts[n]) && substr(line, length(line) - length(parts[n]) + 1) == parts[n]
    }
    function same(i, j) {
      for (; i <= wanted; i++) {
        if (want[i] == "…") {
          for (; j <= given + 1; j++) if (same(i + 1, j)) return 1
          return 0
        }
        if (j > given || !fits(want[i], got[j])) return 0
        j++
      }
      return j > given
    }
    { sub(/[ \t]+$/, "") }
    FILENAME == ARGV[1] { want[++wanted] = $0; next }
    { got[++given] = $0 }
    END {
      while (wanted && want[wanted] == "") wanted--
      while (given && got[given] == "") given--
      exit !same(1, 1)
    }' "$1" "$2"
}

# Below the ports that the system gives to whoever connects: one of those can be taken between here and the server's
# start, and whoever waits for it there may meet herself.
free_port() {
  local port
  for _ in 1 2 3 4 5 6 7 8; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# Runs a command of a page in this shell; one that ends with & is a server, and is waited for until it answers.
run_command() {
  local text=$1
  eval "$text"
  [[ $text == *'&' ]] || return 0
  servers="$servers $!"
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
    if ! kill -0 $! 2>/dev/null; then echo "the server has ended: $(cat serve.log 2>/dev/null)" && return 1; fi
    sleep 0.1
  done
}

run_steps() {
  local page=$1 step name
  servers=
  for step in "$work"/steps/*.command; do
    name="$page:$(cat "${step%.command}.line"): $(head -n 1 "$step")"
    run_command "$(cat "$step")" >"$work/got" 2>&1 || true
    if matches "${step%.command}.output" "$work/got"; then
      echo "ok - $name"
    else
      echo "not ok - $name"
      diff "${step%.command}.output" "$work/got" | sed 's/^/# /' || true
    fi
  done
  # shellcheck disable=SC2086 # a list of process ids
  if [ -n "$servers" ]; then { kill $servers; wait $servers; } 2>/dev/null || true; fi
}

run_page() (
  page=$1
  port=$(free_port)
  cut_page "$page" "$port"
  [ -e "$work/steps/0001.command" ] || return 0
  rm -rf "$work/here"
  mkdir -p "$work/here/docs"
  cp -r docs/example "$work/here/docs/example"
  mkdir "$work/here/.bin"
  ln -s "$program" "$work/here/.bin/rapport"
  cd "$work/here"
  unset "${!RAPPORT_@}"
  export PATH="$work/here/.bin:$PATH" RAPPORT_TEST_CLOCK=2026-11-22T09:00:00Z RAPPORT_LISTEN=127.0.0.1:$port
  set +eu
  run_steps "$page"
)

for tool in curl jq; do
  command -v "$tool" >/dev/null || {
    echo "ok - the pages # SKIP $tool is not installed"
    exit 0
  }
done
for page in README.md docs/*.md docs/*/*.md; do
  if [ -e "$page" ]; then run_page "$page"; fi
done
