# The pages tell of everything there is: routes, settings, commands, flags, limits, rules, and each term once. Prints TAP.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
program=${RAPPORT_PROGRAM:-$root/build/rapport}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!RAPPORT_@}"

# Reads what is missing, a line each: none is as it should be.
report_missing() {
  local missing
  missing=$(cat)
  if [ -z "$missing" ]; then
    echo "ok - $1"
  else
    echo "not ok - $1"
    printf '%s\n' "$missing" | sed 's/^/# /'
  fi
}

# diff, whose status says nothing here.
differ() { diff "$@" || true; }

# absent_from FILE...: the lines of standard input that stand in none of the files.
absent_from() {
  local line
  while IFS= read -r line; do grep -qF -- "$line" "$@" || echo "$line"; done
}

sed -n 's/^ROUTE([A-Z]*, "\([^"]*\)".*/\1/p' src/api/routes.def | sort -u >"$work/routes"
absent_from docs/collect.md docs/api.md <"$work/routes" | report_missing "every route is in collect.md or api.md"
absent_from docs/openapi.yaml <"$work/routes" | report_missing "every route is in openapi.yaml"
sed -n 's/^ROUTE(\([A-Z]*\), "\([^"]*\)".*/\1 \2/p' src/api/routes.def |
  absent_from docs/collect.md docs/api.md | report_missing "every route is there with its method"

"$program" settings --markdown | differ docs/settings.md - | report_missing "settings.md is what the program prints"

sed -n 's/^COMMAND([a-z_]*, "\([^"]*\)".*/### rapport \1/p' src/cli/commands.def >"$work/commands"
absent_from docs/cli.md <"$work/commands" | report_missing "every command has its part of cli.md"
grep '^### ' docs/cli.md | differ "$work/commands" - | report_missing "cli.md has them in the order of the help"
sed -n 's/^FLAG([A-Z_]*, "\([^"]*\)".*/--\1/p' src/cli/flags.def | grep -vxE -- '--(help|yes)' |
  absent_from docs/cli.md | report_missing "every flag is in cli.md"

# | `LIMIT_X` | value | meaning |, of the bounds that something keeps.
limits() {
  awk '/^ *LIMIT_/ {
    value = $0; sub(/^[^=]*= */, "", value); sub(/,.*/, "", value)
    words = $0; sub(/^[^\/]*\/\/ */, "", words)
    print $1 "\t" value "\t" words
  }' src/base/limits.h | while IFS=$'\t' read -r name value words; do
    if grep -rqw --include='*.c' --include='*.cpp' "$name" src; then echo "| \`$name\` | $((value)) | $words |"; fi
  done
}
limits >"$work/limits"
grep '^| `LIMIT_' docs/collect.md | differ - "$work/limits" | report_missing "the limits in collect.md are those of limits.h"

if command -v jq >/dev/null; then
  awk '/^```json$/ { inside = 1; next } /^```$/ { inside = 0 } inside' docs/identity.md | jq -S . >"$work/rules"
  "$program" init --data "$work/shop" >/dev/null
  "$program" rules show --data "$work/shop" --json | jq -S .rules | differ "$work/rules" - |
    report_missing "the rules in identity.md are the default rules"
else
  echo "ok - the rules in identity.md are the default rules # SKIP jq is not installed"
fi
sed -n 's/.*\[IDENTITY_[A-Z_]*\] = {"\([a-z_]*\)".*/`\1`/p' src/identity/identity_guard.c | grep -vx '`ok`' |
  absent_from docs/identity.md | report_missing "every reason of a refusal is in identity.md"

sed -n 's/^  X([A-Z]*, \([a-z]*\), .*/\1/p' src/store/store.h | tr "[:lower:]" "[:upper:]" | sed 's/.*/| & |/' |
  absent_from docs/formats/store.md | report_missing "every keyspace is in formats/store.md"

sed -n '/^|---/,$ s/^| \([^|]*\) |.*/\1/p' GLOSSARY.md >"$work/terms"
sort "$work/terms" | uniq -d | report_missing "each term stands once in the glossary"
LC_ALL=C sort -f "$work/terms" | differ "$work/terms" - | report_missing "the glossary is in order"

for page in docs/adr/[0-9]*.md; do
  grep -qF "($(basename "$page"))" docs/adr/README.md || echo "$page"
done | report_missing "every decision is in the list"

# "page heading" for each heading, as links name it; and for each link to one, its "page heading" and where it stands.
headings() {
  awk '
    /^ *```/ { code = !code; next }
    !code && /^#+ / {
      slug = tolower($0)
      sub(/^#+ /, "", slug)
      gsub(/[^a-z0-9 _-]/, "", slug)
      gsub(/ /, "-", slug)
      print FILENAME, slug
    }' "$@"
}
links_to_headings() {
  awk '
    /^ *```/ { code = !code; next }
    code { next }
    {
      line = $0
      while (match(line, /\]\([^) ]*#[^) ]+\)/)) {
        target = substr(line, RSTART + 2, RLENGTH - 3)
        line = substr(line, RSTART + RLENGTH)
        split(target, parts, "#")
        if (parts[1] ~ /^https?:/ || parts[1] ~ /\.yaml$/) continue
        folder = FILENAME
        if (!sub(/\/[^\/]*$/, "", folder)) folder = "."
        page = parts[1] == "" ? FILENAME : folder "/" parts[1]
        while (sub(/[^\/]+\/\.\.\//, "", page)) { }
        sub(/^\.\//, "", page)
        print page, parts[2], FILENAME ":" FNR
      }
    }' "$@"
}
pages=(*.md docs/*.md docs/*/*.md packaging/*.md)
headings "${pages[@]}" >"$work/headings"
links_to_headings "${pages[@]}" | while read -r page heading place; do
  grep -qxF "$page $heading" "$work/headings" || echo "$place: $page has no #$heading"
done | report_missing "every link to a heading leads to one"
