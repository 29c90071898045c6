# The layers of src/, and that a breach of them is seen. Prints TAP.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

report() { if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi; }

# file FOLDER/NAME INCLUDE_LINE: the only file of a fresh tree.
file() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree/$(dirname "$1")"
  printf '#include <stdio.h>\n%s\n' "$2" >"$tree/$1"
}

# allowed|refused FOLDER/NAME INCLUDE_LINE
allowed() {
  file "$@"
  local status=0
  tools/layers "$tree" || status=1
  report "$status" "$1 may say $2"
}

refused() {
  file "$@"
  local status=1 words
  words=$(tools/layers "$tree") || status=0
  [[ $words == "src/$1:2: "* ]] || status=1
  report "$status" "$1 may not say $2"
}

allowed base/a.c '#include "base/bytes.h"'
allowed value/a.c '#include "base/bytes.h"'
allowed engine/a.c '#include "loyalty/loyalty.h"'
allowed rule/vm.c '#include "rule/opcodes.def"'
allowed quality/phone.cpp '#include <phonenumbers/phonenumberutil.h>'
allowed main.c '#include "cli/cli.h"'
refused base/a.c '#include "value/value.h"'
refused rule/a.h '#include "store/store.h"'
refused store/a.c '#include "rule/rule.h"'
refused consent/a.c '  # include "identity/identity.h"'
refused customer/a.c '#include "segment/segment.h"'
refused engine/a.c '#include <api/api.h>'
refused api/a.c '#include "cli/cli.h"'
refused value/a.c '#include "decimal.h"'
refused value/a.c '#include "../base/bytes.h"'

rm -rf "${tree:?}"/*
mkdir "$tree/attic"
echo 'int a;' >"$tree/attic/a.c"
if tools/layers "$tree" >/dev/null; then status=1; else status=0; fi
report "$status" "a folder without a layer is refused"

status=0
tools/layers || status=1
report "$status" "src/ keeps its layers"
