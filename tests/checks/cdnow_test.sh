# What `rapport count` says of real purchases is what SQL says: CDNOW's customers of 1997 and 1998 (Fader and Hardie), each
# expression at several instants against a query of sqlite3 that was written apart. Prints TAP.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=${RAPPORT_PROGRAM:-$PWD/build/rapport}
sample=${RAPPORT_SHARED:-../shared}/data/cdnow/CDNOW_sample.txt
if [ ! -r "$sample" ]; then
  echo "ok - counts of CDNOW # SKIP $sample is not there: RAPPORT_SHARED names the folder above data/"
  exit 0
fi
if ! command -v sqlite3 >/dev/null; then
  echo "ok - counts of CDNOW # SKIP sqlite3 is not installed"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!RAPPORT_@}"
export RAPPORT_DATA=$work/shop

# The file has a day for each purchase; the line gives it an hour, a minute and an identity. Items are its first CDs.
awk '{
  day = substr($3, 1, 4) "-" substr($3, 5, 2) "-" substr($3, 7, 2)
  time = sprintf("%sT%02d:%02d:00Z", day, NR % 24, NR % 60)
  items = ""
  for (i = 1; i <= $4 && i <= 5; i++) items = items (i > 1 ? "," : "") "{\"sku\":\"cd" ((NR * 7 + i * i) % 40) "\",\"price\":" i ".5}"
  printf "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"u%s\",\"messageId\":\"m%d\",\"timestamp\":\"%s\",", $2, NR, time
  printf "\"context\":{\"channel\":\"%s\"},", NR % 3 ? "web" : "store"
  printf "\"properties\":{\"total\":%s,\"cds\":%d,\"shelf\":\"s%d\",\"products\":[%s]}}\n", $5, $4, $4 % 7, items
}' "$sample" >"$work/orders.ndjson"
"$program" init >/dev/null
"$program" import "$work/orders.ndjson" --source import >"$work/imported"

{
  echo "CREATE TABLE lines(line TEXT);"
  echo ".mode ascii"
  printf '%s\n' '.separator "\037" "\n"'
  echo ".import $work/orders.ndjson lines"
  cat <<'SQL'
CREATE TABLE orders AS SELECT line ->> '$.userId' AS customer, CAST(strftime('%s', line ->> '$.timestamp') AS INTEGER) AS t,
  datetime(line ->> '$.timestamp') AS day, line ->> '$.context.channel' AS channel, line ->> '$.properties.cds' AS cds,
  line ->> '$.properties.shelf' AS shelf, CAST(round((line ->> '$.properties.total') * 100) AS INTEGER) AS cents,
  line -> '$.properties.products' AS products, CAST(substr(line ->> '$.messageId', 2) AS INTEGER) AS number FROM lines;
CREATE TABLE items AS SELECT o.customer, o.t, j.value ->> '$.sku' AS sku, CAST(round((j.value ->> '$.price') * 10) AS INTEGER) AS tenths
  FROM orders o, json_each(o.products) j;
CREATE INDEX by_customer ON orders(customer, t);
CREATE INDEX items_of ON items(customer, t);
CREATE TABLE customers AS SELECT DISTINCT customer AS c FROM orders;
SQL
} | sqlite3 "$work/orders.db"

report() { if [ "$1" = "$2" ]; then echo "ok - $3"; else echo "not ok - $3: $1, and SQL says $2"; fi; }
report "$(sed 's/ .*//' "$work/imported")" "$(sqlite3 "$work/orders.db" 'SELECT count(*) FROM orders')" "every purchase is taken"

instants=(1997-02-28T23:59:59Z 1997-03-31T12:00:00Z 1997-12-31T00:00:00Z 1998-06-30T23:00:00Z)

# same EXPRESSION CONDITION: of customer c; {at} is the instant in seconds, o and i are the orders and items up to then.
same() {
  local at seconds condition ours="" theirs=""
  for at in "${instants[@]}"; do
    seconds=$(date -u -d "$at" +%s)
    condition=${2//\{at\}/$seconds}
    ours+="$("$program" count "$1" --at "$at" 2>>"$work/warnings") "
    theirs+="$(sqlite3 "$work/orders.db" "WITH o AS (SELECT * FROM orders WHERE t <= $seconds),
      i AS (SELECT * FROM items WHERE t <= $seconds) SELECT count(*) FROM customers WHERE $condition") "
  done
  case $ours in
    *[1-9]*) report "$ours" "$theirs" "$1: $ours" ;;
    *) echo "not ok - $1: of nobody at any instant, so that it proves nothing" ;;
  esac
}

orders='FROM o WHERE o.customer = c'
day=86400
# An event stays in its months until the same clock N months later; what has no such day ends with that month.
months() {
  echo "(CASE WHEN strftime('%d', day, '+$1 months') = strftime('%d', day) THEN strftime('%s', day, '+$1 months')
    ELSE strftime('%s', day, '+$1 months', 'start of month') END > CAST({at} AS TEXT))"
}

same 'exists("Order Completed")' "EXISTS (SELECT 1 $orders)"
same 'not exists("Order Completed")' "NOT EXISTS (SELECT 1 $orders)"
same 'count("Order Completed") >= 3' "(SELECT count(*) $orders) >= 3"
same 'count("Order Completed" where total >= 50) = 1' "(SELECT count(*) $orders AND cents >= 5000) = 1"
same 'count("Order Completed" in last 30 days) >= 2' "(SELECT count(*) $orders AND t + 30 * $day > {at}) >= 2"
same 'not exists("Order Completed" in last 180 days)' "NOT EXISTS (SELECT 1 $orders AND t + 180 * $day > {at})"
same 'exists("Order Completed" in last 36 hours)' "EXISTS (SELECT 1 $orders AND t + 36 * 3600 > {at})"
same 'exists("Order Completed" in last 1 month)' "EXISTS (SELECT 1 $orders AND $(months 1))"
same 'sum(total of "Order Completed" in last 3 months) > 100' "(SELECT sum(cents) $orders AND $(months 3)) > 10000"
same 'count("Order Completed" in last 1 year) > 4' "(SELECT count(*) $orders AND $(months 12)) > 4"
same 'exists("Order Completed" in previous 1 month)' "EXISTS (SELECT 1 $orders AND
  t >= strftime('%s', {at}, 'unixepoch', 'start of month', '-1 month') + 0 AND t < strftime('%s', {at}, 'unixepoch', 'start of month') + 0)"
same 'exists("Order Completed" in previous 2 weeks)' "EXISTS (SELECT 1 $orders AND
  t >= strftime('%s', {at}, 'unixepoch', 'start of day', '-6 days', 'weekday 1', '-14 days') + 0 AND
  t < strftime('%s', {at}, 'unixepoch', 'start of day', '-6 days', 'weekday 1') + 0)"
same 'exists("Order Completed" in last 7 days by day)' "EXISTS (SELECT 1 $orders AND
  t >= strftime('%s', {at}, 'unixepoch', 'start of day', '-6 days') + 0)"
same 'sum(total of "Order Completed") >= 200.00' "(SELECT sum(cents) $orders) >= 20000"
same 'avg(total of "Order Completed") < 20' "(SELECT avg(cents) $orders) < 2000"
same 'max(total of "Order Completed" since 1997-03-01) > 75.5' "(SELECT max(cents) $orders AND t >= strftime('%s', '1997-03-01') + 0) > 7550"
same 'min(total of "Order Completed" before 1997-03-01) <= 11.77' "(SELECT min(cents) $orders AND t < strftime('%s', '1997-03-01') + 0) <= 1177"
same 'count("Order Completed" between 1997-02-01 and 1997-02-28) = 1' "(SELECT count(*) $orders AND
  t >= strftime('%s', '1997-02-01') + 0 AND t < strftime('%s', '1997-03-01') + 0) = 1"
same 'distinct(shelf of "Order Completed") >= 3' "(SELECT count(DISTINCT shelf) $orders) >= 3"
same 'sum(cds of "Order Completed" where context.channel = "store") > 5' "(SELECT sum(cds) $orders AND channel = 'store') > 5"
same 'last(time of "Order Completed") > now - 60 days' "(SELECT max(t) $orders) > {at} - 60 * $day"
same 'first(total of "Order Completed") > last(total of "Order Completed")' "(SELECT cents $orders ORDER BY t LIMIT 1) >
  (SELECT cents $orders ORDER BY t DESC LIMIT 1)"
same 'distinct(sku of "Order Completed".products) >= 6' "(SELECT count(DISTINCT sku) FROM i WHERE i.customer = c) >= 6"
same 'sum(price of "Order Completed".products where sku != "cd1" in last 90 days) >= 10' "(SELECT sum(tenths) FROM i
  WHERE i.customer = c AND sku != 'cd1' AND t + 90 * $day > {at}) >= 100"
same 'count("Order Completed".products where price > 2) >= 4' "(SELECT count(*) FROM i WHERE i.customer = c AND tenths > 20) >= 4"
pair='FROM o a JOIN o b ON b.customer = a.customer AND b.t > a.t WHERE a.customer = c'
same 'sequence("Order Completed" then "Order Completed" within 30 days)' "EXISTS (SELECT 1 $pair AND b.t <= a.t + 30 * $day)"
same 'sequence("Order Completed" where total < 15 then "Order Completed" where total > 40)' "EXISTS (SELECT 1 $pair AND a.cents < 1500 AND b.cents > 4000)"
same 'sequence("Order Completed" where context.channel = "store" then "Order Completed" where context.channel = "web" within 14 days in last 120 days)' \
  "EXISTS (SELECT 1 $pair AND a.channel = 'store' AND b.channel = 'web' AND b.t <= a.t + 14 * $day AND a.t + 120 * $day > {at})"
same 'sequence("Order Completed" then not "Order Completed" within 60 days)' "EXISTS (SELECT 1 FROM o a WHERE a.customer = c AND
  a.t + 60 * $day <= {at} AND NOT EXISTS (SELECT 1 FROM o b WHERE b.customer = c AND b.t > a.t AND b.t <= a.t + 60 * $day))"
same 'sequence("Order Completed" then "Order Completed" by shelf)' "EXISTS (SELECT 1 $pair AND b.shelf = a.shelf)"
same 'sequence("Order Completed" where total > 30 then not "Order Completed" where total < 15 then "Order Completed" where total > 30)' \
  "EXISTS (SELECT 1 $pair AND a.cents > 3000 AND b.cents > 3000 AND NOT EXISTS (SELECT 1 FROM o x WHERE x.customer = c AND
    x.t > a.t AND x.t < b.t AND x.cents < 1500))"
