# The pages of the repository point at things that exist, and a page that does not is seen. Prints TAP.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

report() { if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi; }

cat >"$tree/good.md" <<'TEXT'
See [itself](good.md), [a part](good.md#part), [below](#part), [far](https://example.org/x); run `./dev run`.
`[code](is no link)`
```
[neither](is this)
```
TEXT
status=0
tools/docs "$tree" || status=1
report "$status" "a page whose links hold passes"

echo 'See [nothing](missing.md).' >"$tree/bad.md"
words=$(tools/docs "$tree") && status=1 || status=0
[ "$words" = "bad.md:1: missing.md does not exist" ] || status=1
report "$status" "a dead link is named with its file and line"

echo 'Run ./dev fly.' >"$tree/bad.md"
words=$(tools/docs "$tree") && status=1 || status=0
[ "$words" = "bad.md:1: there is no ./dev fly" ] || status=1
report "$status" "a command that ./dev does not have is named"

status=0
tools/docs || status=1
report "$status" "every page of the repository holds"
