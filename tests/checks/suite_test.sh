# What tools/suite counts: each way a suite of tests can end. Prints TAP.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# counts EXPECTED WORDS FORMAT SCRIPT: runs SCRIPT as a suite; its counts and the words on its line must be these.
counts() {
  local line
  line=$(tools/suite "$3" 1 "$logs" it bash -c "$4")
  if [ "$(cat "$logs/it.counts")" = "$1" ] && [[ $line == *"$2"* ]]; then
    echo "ok - $3: $2"
  else
    echo "not ok - $3: wanted $1 ($2), got $(cat "$logs/it.counts") ($line)"
  fi
}

run='echo "[ RUN      ] a"'
pass="$run; echo '[       OK ] a'"
fail="$run; echo '[  FAILED  ] a'"
skip="$run; echo '[  SKIPPED ] a'"
summary="echo '[  SKIPPED ] 1 test(s), listed below:'; echo '[  FAILED  ] 1 test(s), listed below:'; echo '[  FAILED  ] a'"

counts '2 0 0' '2 passed  ' cmocka "$pass; $pass"
counts '1 0 1' '1 passed, 1 skipped' cmocka "$pass; $skip; $summary"
counts '1 1 1' '1 passed, 1 failed, 1 skipped' cmocka "$pass; $fail; $skip; $summary; exit 1"
counts '1 1 0' 'ended by signal ABRT' cmocka "$pass; $run; kill -ABRT \$\$"
counts '1 1 0' 'exit status 23' cmocka "$pass; exit 23"
counts '1 2 0' '1 passed, 2 failed' cmocka "$run; $pass; $run"
counts '1 1 0' 'stopped after 1 s' cmocka "$pass; $run; sleep 5"
counts '0 1 0' 'ran no test' cmocka 'true'
counts '1 0 0' '1 passed  ' cmocka "printf 'words without an end of line'; $pass"
counts '1 1 1' '1 passed, 1 failed, 1 skipped' tap 'echo "ok 1 - a"; echo "not ok 2 - b"; echo "ok 3 - c # SKIP no net"'
counts '5 3 2' '5 passed, 3 failed, 2 skipped' node \
  'printf "# %s\n" "tests 10" "pass 5" "fail 2" "cancelled 1" "skipped 1" "todo 1"; exit 1'
counts '5 0 0' '5 passed  ' node 'printf "ℹ %s\n" "pass 5" "fail 0" "cancelled 0" "skipped 0" "todo 0"'
