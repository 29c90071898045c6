# What reports say of a year of the demo shop is what SQL says of its events. Only who did what is asked of Rapport
# (`rapport list`), because whose an event is with two cards, a shared tablet and a late sign-in is another test's
# matter; every number is worked out by sqlite3 from the lines as they were sent. Prints TAP.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=${RAPPORT_PROGRAM:-$PWD/build/rapport}
for tool in sqlite3 jq; do
  command -v "$tool" >/dev/null || {
    echo "ok - a year of the demo shop # SKIP $tool is not installed"
    exit 0
  }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!RAPPORT_@}"
export RAPPORT_DATA=$work/shop RAPPORT_TEST_CLOCK=2026-11-22T09:00:00Z
cd "$work"

shop=(--customers 2000 --seed 7 --now 2026-11-22)
"$program" demo "${shop[@]}" >keys.json 2>loaded
"$program" demo --emit "${shop[@]}" >lines.ndjson
"$program" list true --fields 'id,placed=list(order_id of "Order Completed"),returned=list(order_id of "Order Refunded"),
  pages=list(time of "Page Viewed"),views=list(time of "Product Viewed"),added=list(time of "Product Added"),
  clicks=list(time of "Email Clicked")' >who.ndjson

# Orders go by their numbers, pages and clicks by their milliseconds, which no two of this shop share. What is set aside
# is nobody's, and what was sent twice is there once.
{
  cat <<'SQL'
CREATE TABLE lines(line TEXT);
CREATE TABLE mapped(line TEXT);
.mode ascii
.separator "\037" "\n"
.import lines.ndjson lines
.import who.ndjson mapped
CREATE TABLE sent AS
  SELECT number, name, at, line,
    CASE WHEN name LIKE 'Order%' THEN line ->> '$.properties.order_id' ELSE substr(at, 1, 23) END AS key,
    CAST(strftime('%s', at) AS INTEGER) * 1000 + substr(at, 21, 3) AS t, substr(at, 1, 10) AS day
  FROM (SELECT rowid AS number, coalesce(line ->> '$.event', CASE line ->> '$.type' WHEN 'page' THEN 'Page Viewed' END) AS name,
    line ->> '$.timestamp' AS at, line FROM lines)
  WHERE name IN ('Order Completed', 'Order Refunded', 'Page Viewed', 'Product Viewed', 'Product Added', 'Email Clicked') AND at < '2099';
CREATE TABLE who AS WITH lists(name, member) AS (VALUES ('Order Completed', '$.placed'), ('Order Refunded', '$.returned'),
    ('Page Viewed', '$.pages'), ('Product Viewed', '$.views'), ('Product Added', '$.added'), ('Email Clicked', '$.clicks'))
  SELECT line ->> '$.id' AS who, name, CASE WHEN name LIKE 'Order%' THEN j.value ELSE substr(replace(j.value, 'Z', '.000'), 1, 23) END AS key
  FROM mapped, lists, json_each(line -> member) j;
CREATE UNIQUE INDEX by_key ON who(name, key);
CREATE TABLE orders AS
  SELECT who.who, s.name = 'Order Refunded' AS returned, min(s.number) AS number, t, day,
    line ->> '$.context.channel' AS channel, coalesce(line ->> '$.properties.store', '') AS store,
    CAST(round((line ->> '$.properties.total') * 100) AS INTEGER) AS cents, line -> '$.properties.products' AS products
  FROM sent s JOIN who USING (name, key) WHERE s.name LIKE 'Order%' GROUP BY s.name, key;
CREATE TABLE items AS
  SELECT o.number, j.value ->> '$.category' AS range, j.value ->> '$.product_id' AS sku, j.value ->> '$.quantity' AS quantity,
    CAST(round((j.value ->> '$.price') * 100) AS INTEGER) * (j.value ->> '$.quantity') AS cents
  FROM orders o, json_each(o.products) j;
CREATE TABLE online AS SELECT who.who, t, line ->> '$.properties.product_id' AS product FROM sent s JOIN who USING (name, key)
  WHERE s.name NOT LIKE 'Order%' GROUP BY s.name, key;
CREATE TABLE landed AS
  SELECT who.who, t, day, s.name, lower(coalesce(line ->> '$.context.campaign.medium', '')) AS medium,
    coalesce(line ->> '$.context.page.search', '') AS search,
    coalesce(line ->> '$.context.page.referrer', '') AS referrer
  FROM sent s JOIN who USING (name, key) WHERE s.name IN ('Page Viewed', 'Email Clicked') GROUP BY s.name, key;
CREATE TABLE touches AS SELECT rowid AS number, who, t, day, CASE
  WHEN name = 'Email Clicked' OR medium = 'email' THEN 'email'
  WHEN medium = 'affiliate' THEN 'affiliate'
  WHEN medium = 'paid_social' THEN 'paid social'
  WHEN medium = 'cpc' OR search LIKE '%gclid=%' OR search LIKE '%msclkid=%' THEN 'paid search'
  WHEN medium = 'display' THEN 'display'
  WHEN referrer LIKE '%google%' OR referrer LIKE '%bing%' THEN 'organic search'
  WHEN referrer LIKE '%instagram%' OR referrer LIKE '%facebook%' THEN 'social'
  WHEN referrer <> '' THEN 'referral' ELSE 'direct' END AS channel FROM landed;
CREATE INDEX items_of ON items(number);
CREATE INDEX touches_of ON touches(who, t);
CREATE INDEX online_of ON online(who, t);
CREATE INDEX orders_of ON orders(who, t);
SQL
} | sqlite3 shop.db

sql() { sqlite3 -separator ' | ' shop.db "$1" | sort; }

# same WHAT: what stands in `ours` is what stands in `theirs`, and is something.
same() {
  if [ ! -s ours ]; then
    echo "not ok - $1: there is nothing to compare"
  elif cmp -s ours theirs; then
    echo "ok - $1 ($(wc -l <ours) rows)"
  else
    echo "not ok - $1"
    diff ours theirs | head -n 20 | sed 's/^/# /' || true
  fi
}

# report KIND [FLAG]...: as JSON, into report.json.
report() { "$program" report "$@" --format json >report.json 2>warnings || sed 's/^/# /' warnings; }
# rows TABLE EXPRESSION...: of each row of the table these, as SQL gives them.
rows() {
  local table=$1 members
  shift
  members=$(printf ', (%s)' "$@")
  jq -r ".tables[\"$table\"][] | [${members#, }] | map(tostring) | join(\" | \")" report.json | sort
}

# Every message that was not set aside is somebody's, once.
{ sql "SELECT name, count(DISTINCT key) FROM sent GROUP BY name"; } >ours

# --- sales ---------------------------------------------------------------------------------------------------

# From July to September, and the three months before.
sqlite3 shop.db <<'SQL'
CREATE TABLE firsts AS SELECT who, min(t) AS t, min(day) AS day FROM orders WHERE NOT returned GROUP BY who;
CREATE TABLE sold AS SELECT o.*, o.day >= '2026-07-01' AS now, o.cents * NOT o.returned AS revenue, o.cents * o.returned AS back,
  NOT o.returned AND f.day >= CASE WHEN o.day >= '2026-07-01' THEN '2026-07-01' ELSE '2026-04-01' END AS new
  FROM orders o LEFT JOIN firsts f USING (who) WHERE o.day BETWEEN '2026-04-01' AND '2026-09-30';
CREATE TABLE figures AS SELECT now, sum(revenue) AS revenue, sum(back) AS back, sum(revenue * new) AS new_revenue, sum(NOT returned) AS orders,
  sum(returned) AS returns, count(DISTINCT CASE WHEN NOT returned THEN who END) AS customers, count(DISTINCT CASE WHEN new THEN who END) AS news,
  (SELECT sum(quantity) FROM items i JOIN sold s USING (number) WHERE s.now = o.now AND NOT s.returned) AS units,
  (SELECT sum(quantity) FROM items i JOIN sold s USING (number) WHERE s.now = o.now AND s.returned) AS units_back
  FROM sold o GROUP BY now;
SQL
# both FIGURE EXPRESSION: in the quarter and before.
both() { sql "SELECT '$1', (SELECT $2 FROM figures WHERE now), (SELECT $2 FROM figures WHERE NOT now)"; }
money() { echo "printf('%.2f', ($1) / 100.0)"; }
report sales --from 2026-07-01 --to 2026-09-30 --set by=month

rows money .figure .amount .before >ours
{
  both Revenue "$(money revenue)"
  both Returned "$(money back)"
  both 'Revenue less returned' "$(money revenue-back)"
  both 'Revenue of new customers' "$(money new_revenue)"
  both 'Revenue of returning customers' "$(money revenue-new_revenue)"
  both 'Average basket' "$(money '1.0 * revenue / orders')"
} | sort >theirs
same "sales: money of a quarter and of the time before"

rows counts .figure .count .before >ours
{
  both Orders orders
  both Units units
  both Returns returns
  both 'Units returned' units_back
  both Customers customers
  both 'New customers' news
  both 'Returning customers' customers-news
} | sort >theirs
same "sales: orders, units, customers"

rows time .first_day .revenue .orders .customers .returned >ours
sql "SELECT substr(day, 1, 7) || '-01', $(money 'sum(revenue)'), sum(NOT returned), count(DISTINCT CASE WHEN NOT returned THEN who END),
  $(money 'sum(back)') FROM sold WHERE now GROUP BY 1" >theirs
same "sales by month"

# places COLUMN
places() {
  rows "$1s" ".$1 // \"\"" .revenue .orders .returned .revenue_before >ours
  sql "SELECT $1, $(money 'sum(revenue * now)'), sum(now AND NOT returned), $(money 'sum(back * now)'), $(money 'sum(revenue * NOT now)')
    FROM sold GROUP BY 1" >theirs
  same "sales by $1"
}
places channel
places store

rows ranges .range .revenue .orders .units .returned .revenue_before >ours
sql "SELECT range, $(money 'sum(i.cents * (now AND NOT s.returned))'), count(DISTINCT CASE WHEN now AND NOT s.returned THEN number END),
  sum(quantity * (now AND NOT s.returned)), $(money 'sum(i.cents * (now AND s.returned))'), $(money 'sum(i.cents * (NOT now AND NOT s.returned))')
  FROM items i JOIN sold s USING (number) GROUP BY 1" >theirs
same "sales by product range"

# --- the customer base -----------------------------------------------------------------------------------------

# At the end of October; active is who bought in the 90 days before, moves are those of 30 days.
sqlite3 shop.db <<'SQL'
CREATE TABLE histories AS SELECT who, min(CASE WHEN NOT returned THEN t END) AS first, max(CASE WHEN NOT returned THEN t END) AS last,
  sum(NOT returned) AS orders, sum(cents * (1 - 2 * returned)) AS cents,
  max(0, sum(CASE WHEN day > date('2026-10-31', '-90 days') THEN cents * (1 - 2 * returned) END)) AS lately
  FROM orders WHERE day <= '2026-10-31' GROUP BY who HAVING orders > 0;
CREATE TABLE spans AS SELECT n.value AS n, 1000 * (strftime('%s', '2026-11-01') - n.value * 30 * 86400) AS ends,
  1000 * (strftime('%s', '2026-11-01') - (n.value + 1) * 30 * 86400) AS begins FROM json_each('[0,1]') n;
CREATE TABLE states AS SELECT n, h.who, first >= begins AND first < ends AS new, first < ends AS buyer,
  EXISTS (SELECT 1 FROM orders o WHERE o.who = h.who AND NOT returned AND o.t >= begins AND o.t < ends) AS bought,
  EXISTS (SELECT 1 FROM orders o WHERE o.who = h.who AND NOT returned AND o.t >= begins - 90 * 86400000 AND o.t < begins) AS was,
  EXISTS (SELECT 1 FROM orders o WHERE o.who = h.who AND NOT returned AND o.t >= ends - 90 * 86400000 AND o.t < ends) AS active
  FROM histories h, spans;
CREATE TABLE cohorts AS SELECT strftime('%Y-%m-01', first / 1000, 'unixepoch') AS month, who, cents FROM histories;
CREATE TABLE again AS SELECT c.month, k.value AS k, count(DISTINCT o.who) AS customers FROM cohorts c JOIN json_each('[1,2,3,4,5,6,7,8,9,10,11]') k
  JOIN orders o ON o.who = c.who AND NOT o.returned AND strftime('%Y-%m-01', o.day) = date(c.month, '+' || k.value || ' months') GROUP BY 1, 2;
CREATE TABLE ranks AS SELECT lately AS cents, row_number() OVER (ORDER BY lately DESC) AS rank, count(*) OVER () AS n, sum(lately) OVER () AS whole
  FROM histories WHERE last >= 1000 * (strftime('%s', '2026-11-01') - 90 * 86400);
SQL
report base --at 2026-10-31 --set active_days=90 --set days=30 --set months=12
rows moves .figure .customers .before >ours
while read -r figure condition; do
  sql "SELECT '${figure//_/ }', sum(n = 0 AND $condition), sum(n = 1 AND $condition) FROM states"
done <<'END' | sort >theirs
Active_at_the_beginning was
New new
Reactivated (bought AND NOT new AND NOT was)
Lost (was AND NOT active)
Active_at_the_end active
Ever_bought buyer
Not_active_any_more (buyer AND NOT active)
END
same "customer base: who came, came back and went"
rows last_order .last_order .customers .revenue | grep -v ' | 0 | 0.00$' >ours
sql "SELECT CASE WHEN days <= 30 THEN '0 to 30' WHEN days <= 90 THEN '31 to 90' WHEN days <= 180 THEN '91 to 180' ELSE '181 to 365' END || ' days ago',
  count(*), $(money 'sum(cents)') FROM (SELECT *, (1000 * strftime('%s', '2026-11-01') - last - 1) / 86400000 + 1 AS days FROM histories) GROUP BY 1" >theirs
same "customer base: by last order"
rows orders_ever .orders_ever .customers .revenue >ours
sql "SELECT CASE WHEN orders < 4 THEN orders WHEN orders < 6 THEN '4 to 5' WHEN orders < 11 THEN '6 to 10' ELSE '11 and more' END,
  count(*), $(money 'sum(cents)') FROM histories GROUP BY 1" >theirs
same "customer base: by orders"
rows cohorts .month .customers .revenue '[to_entries[] | select(.key | startswith("month_")) | .value // empty | . * 1e9 | round] | @csv' |
  grep -v ' | 0 | ' >ours
sql "SELECT month, count(*), $(money 'sum(cents)'), coalesce((SELECT group_concat(CAST(round(1e9 * coalesce(a.customers, 0) / n) AS INTEGER))
    FROM json_each('[1,2,3,4,5,6,7,8,9,10,11]') k LEFT JOIN again a ON a.k = k.value AND a.month = c.month,
    (SELECT count(*) AS n FROM cohorts x WHERE x.month = c.month) WHERE date(c.month, '+' || k.value || ' months') <= '2026-10-01'), '')
  FROM cohorts c GROUP BY month" >theirs
same "customer base: by month of the first order"
rows concentration .top .customers .revenue >ours
for share in 1 5 10 20 50 100; do
  sql "SELECT '$share %', count(*), $(money 'sum(cents)') FROM ranks WHERE rank <= (n * $share + 99) / 100"
done | sort >theirs
same "customer base: the best customers' share"
jq -r .gini report.json >ours
sql "SELECT printf('%.4f', (n + 1 - 2.0 * sum(cents * rank) / whole) / n) FROM ranks" >theirs
same "customer base: Gini coefficient"

# --- attribution ---------------------------------------------------------------------------------------------

# A path is what was touched in the 30 days up to an order, back to the order before. What no order has is cut from its
# end into paths without one, of 30 days each.
sqlite3 shop.db <<'SQL'
CREATE TABLE conversions AS SELECT rowid AS number, who, t, day, cents, lag(t, 1, 0) OVER (PARTITION BY who ORDER BY t) AS before
  FROM orders WHERE NOT returned;
CREATE TABLE steps AS SELECT c.number, c.who, c.day, c.cents / 100.0 AS value, (c.t - x.t) / 86400000.0 AS days, x.t, x.channel, x.number AS touch,
  row_number() OVER (PARTITION BY c.number ORDER BY x.t, x.number) AS place, count(*) OVER (PARTITION BY c.number) AS touches,
  max(CASE WHEN x.channel <> 'direct' THEN x.t END) OVER (PARTITION BY c.number) AS told
  FROM conversions c JOIN touches x ON x.who = c.who AND x.t <= c.t AND x.t > c.t - 30 * 86400000 AND x.t > c.before;
CREATE TABLE credits AS SELECT *, 1.0 * (place = 1) AS first_touch, 1.0 * (place = touches) AS last_touch, 1.0 / touches AS linear_touch,
  1.0 * CASE WHEN told IS NULL THEN place = touches ELSE t = told END AS last_non_direct,
  CASE touches WHEN 1 THEN 1.0 WHEN 2 THEN 0.5 ELSE CASE WHEN place IN (1, touches) THEN 0.4 ELSE 0.2 / (touches - 2) END END AS position_based,
  pow(2, -days / 7) / sum(pow(2, -days / 7)) OVER (PARTITION BY number) AS time_decay
  FROM steps WHERE day BETWEEN '2026-04-01' AND '2026-09-30';
CREATE TABLE spare AS SELECT x.* FROM touches x WHERE day <= '2026-09-30'
  AND NOT EXISTS (SELECT 1 FROM steps s WHERE s.touch = x.number AND s.day <= '2026-09-30');
CREATE INDEX spare_of ON spare(who, t);
CREATE TABLE ends AS WITH RECURSIVE e(who, t) AS (SELECT who, max(t) FROM spare GROUP BY who
  UNION ALL SELECT e.who, (SELECT max(t) FROM spare x WHERE x.who = e.who AND x.t <= e.t - 30 * 86400000) FROM e WHERE e.t IS NOT NULL)
  SELECT who, t FROM e WHERE t >= 1000 * strftime('%s', '2026-04-01');
CREATE TABLE idle AS SELECT e.who, e.t AS ended, x.channel, x.t, row_number() OVER (PARTITION BY e.who, e.t ORDER BY x.t, x.number) AS place
  FROM ends e JOIN spare x ON x.who = e.who AND x.t <= e.t AND x.t > e.t - 30 * 86400000;
-- The chain of order 1: "" is the start, 1 an order, 0 none.
CREATE TABLE walks AS SELECT 'o' || number AS path, place, channel FROM credits UNION ALL SELECT who || ' ' || ended, place, channel FROM idle;
CREATE INDEX walks_of ON walks(path, place);
CREATE TABLE moves AS SELECT came, went, count(*) * 1.0 / sum(count(*)) OVER (PARTITION BY came) AS share FROM (
  SELECT coalesce(b.channel, '') AS came, a.channel AS went FROM walks a LEFT JOIN walks b ON b.path = a.path AND b.place = a.place - 1
  UNION ALL SELECT channel, CASE WHEN path LIKE 'o%' THEN '1' ELSE '0' END FROM walks a
    WHERE place = (SELECT max(place) FROM walks b WHERE b.path = a.path)) GROUP BY 1, 2;
-- With each channel taken out, and with none: how likely an order is from each state.
CREATE TABLE chances AS SELECT DISTINCT g.went AS gone, m.came AS state, 0.0 AS p FROM moves m, (SELECT went FROM moves UNION SELECT '-') g;
CREATE UNIQUE INDEX chances_of ON chances(gone, state);
SQL
for _ in $(seq 80); do
  echo "UPDATE chances SET p = (SELECT sum(share * CASE WHEN went = gone OR went = '0' THEN 0 WHEN went = '1' THEN 1
    ELSE (SELECT p FROM chances c WHERE c.gone = chances.gone AND c.state = went) END) FROM moves WHERE came = chances.state);"
done | { echo 'BEGIN;' && cat && echo 'COMMIT;'; } | sqlite3 shop.db

report attribution --from 2026-04-01 --to 2026-09-30 --set models=first,last,linear,last_non_direct,position,time_decay,markov
for model in first_touch last_touch linear_touch last_non_direct position_based time_decay; do
  rows models .channel_name "(.${model}_conversions * 1e6 | round)" "(.${model}_value * 1e4 | round)" >ours
  sql "SELECT channel, CAST(round(sum($model) * 1e6) AS INTEGER), CAST(round(sum($model * value) * 1e4) AS INTEGER) FROM credits GROUP BY 1" >theirs
  same "attribution: $model by channel"
done
rows models .channel_name '(.removal_effects_conversion * 1e6 | round)' >ours
sql "SELECT gone, CAST(round((1 - p / (SELECT p FROM chances WHERE gone = '-' AND state = '')) * 1e6) AS INTEGER) FROM chances
  WHERE state = '' AND gone NOT IN ('-', '0', '1')" >theirs
same "attribution: what is lost without a channel, by the Markov chain"
jq -r .journeys report.json >ours
sql "SELECT (SELECT count(*) FROM conversions WHERE day BETWEEN '2026-04-01' AND '2026-09-30') || ' with a conversion (value ' ||
  (SELECT $(money 'sum(cents)') FROM conversions WHERE day BETWEEN '2026-04-01' AND '2026-09-30') || '), ' || count(*) || ' without' FROM ends" >theirs
same "attribution: how many journeys there were"

# --- research online, purchase offline -------------------------------------------------------------------------

# Store purchases, and what she did online in the seven days before each. Every one is a card's, so all are identified.
sqlite3 shop.db <<'SQL'
CREATE TABLE tickets AS SELECT o.number, o.who, o.t, o.store, o.cents,
  (SELECT max(x.t) FROM online x WHERE x.who = o.who AND x.t <= o.t AND x.t > o.t - 7 * 86400000) AS seen,
  (SELECT channel FROM touches x WHERE x.who = o.who AND x.t <= o.t AND x.t > o.t - 7 * 86400000 ORDER BY x.t DESC, x.number DESC LIMIT 1) AS channel
  FROM orders o WHERE NOT returned AND o.channel = 'store' AND day BETWEEN '2026-04-01' AND '2026-09-30';
CREATE TABLE looked AS SELECT DISTINCT o.number, o.cents, x.product FROM tickets o JOIN online x ON x.who = o.who AND x.t <= o.t AND x.t > o.t - 7 * 86400000
  WHERE x.product IS NOT NULL;
SQL
after='sum(seen IS NOT NULL)'
revenue_after="$(money 'sum(CASE WHEN seen IS NOT NULL THEN cents ELSE 0 END)')"
report ropo --from 2026-04-01 --to 2026-09-30 --set within_days=7 --set products=0
rows ropo .orders .revenue .identified_orders .ropo_orders .ropo_revenue '(.ropo_rate * 1e9 | round)' >ours
sql "SELECT count(*), $(money 'sum(cents)'), count(*), $after, $revenue_after,
  CAST(round(1e9 * sum(CASE WHEN seen IS NOT NULL THEN cents END) / sum(cents)) AS INTEGER) FROM tickets" >theirs
same "ROPO: rate"
rows stores .store .orders .revenue .ropo_orders .ropo_revenue >ours
sql "SELECT store, count(*), $(money 'sum(cents)'), $after, $revenue_after FROM tickets GROUP BY 1" >theirs
same "ROPO: by store"
rows ranges .range .orders .revenue .ropo_orders .ropo_revenue >ours
sql "SELECT range, count(*), $(money 'sum(cents)'), $after, $revenue_after
  FROM (SELECT t.number, range, seen, sum(i.cents) AS cents FROM tickets t JOIN items i USING (number) GROUP BY 1, 2) GROUP BY 1" >theirs
same "ROPO: by product range"
rows channels .channel .orders .revenue >ours
sql "SELECT coalesce(channel, '(none)'), count(*), $(money 'sum(cents)') FROM tickets WHERE seen IS NOT NULL GROUP BY 1" >theirs
same "ROPO: by channel"
rows lags .lag .orders .revenue | grep -v ' | 0 | 0.00' >ours
sql "SELECT CASE (t - seen) / 86400000 WHEN 0 THEN 'under 1 day' WHEN 1 THEN '1 day' WHEN 2 THEN '2 to 3 days' WHEN 3 THEN '2 to 3 days'
  ELSE '4 to 7 days' END, count(*), $(money 'sum(cents)') FROM tickets WHERE seen IS NOT NULL GROUP BY 1" >theirs
same "ROPO: by time before"
rows products .product .orders .revenue .bought >ours
sql "SELECT product, count(*), $(money 'sum(cents)'), sum(EXISTS (SELECT 1 FROM items i WHERE i.number = l.number AND i.sku = l.product))
  FROM looked l GROUP BY 1" >theirs
same "ROPO: products seen before"
rows reverse .orders .revenue .reverse_orders .reverse_revenue >ours
sql "SELECT count(*), $(money 'sum(cents)'), sum(after), $(money 'sum(cents * after)') FROM (SELECT *, EXISTS (SELECT 1 FROM orders x
  WHERE x.who = o.who AND x.channel = 'store' AND NOT x.returned AND x.t <= o.t AND x.t > o.t - 7 * 86400000) AS after
  FROM orders o WHERE NOT returned AND channel = 'web' AND day BETWEEN '2026-04-01' AND '2026-09-30')" >theirs
same "ROPO: online orders after a store"

# --- RFM -----------------------------------------------------------------------------------------------------

# Of all products and of each range, at the end of two days, by the quantiles of the later one: R's type 7, whose
# positions are multiples of 0.2 as a computer has it.
sqlite3 shop.db <<'SQL'
CREATE TABLE bought AS
  SELECT who, day, 'all' AS range, cents FROM orders WHERE NOT returned
  UNION ALL SELECT who, day, range, sum(i.cents) FROM orders o JOIN items i USING (number) WHERE NOT returned GROUP BY number, range;
CREATE TABLE summaries AS SELECT at.value AS at, who, range, CAST(julianday(at.value) - julianday(max(day)) AS INTEGER) AS recency,
  count(*) AS orders, sum(cents) AS cents FROM bought b JOIN json_each('["2026-07-31","2026-10-31"]') at ON b.day <= at.value GROUP BY 1, 2, 3;
CREATE TABLE bounds AS WITH
  measured AS (SELECT range, 'r' AS measure, recency * 1.0 AS x FROM summaries WHERE at = '2026-10-31'
    UNION ALL SELECT range, 'f', orders * 1.0 FROM summaries WHERE at = '2026-10-31'
    UNION ALL SELECT range, 'm', cents / 100.0 FROM summaries WHERE at = '2026-10-31'),
  sorted AS (SELECT *, row_number() OVER w AS place, count(*) OVER (PARTITION BY range, measure) AS n, lead(x) OVER w AS next
    FROM measured WINDOW w AS (PARTITION BY range, measure ORDER BY x))
  SELECT range, measure, (1 - (at - place)) * x + (at - place) * coalesce(next, x) + 1 AS bound
  FROM (SELECT *, 1 + (n - 1) * (k.value * 0.2) AS at FROM sorted, json_each('[1,2,3,4]') k) WHERE place = CAST(at AS INTEGER);
CREATE TABLE scored AS WITH scores AS (SELECT *,
  5 - (SELECT count(*) FROM bounds b WHERE b.range = s.range AND measure = 'r' AND recency >= bound) AS r,
  1 + (SELECT count(*) FROM bounds b WHERE b.range = s.range AND measure = 'f' AND orders >= bound) AS f,
  1 + (SELECT count(*) FROM bounds b WHERE b.range = s.range AND measure = 'm' AND cents / 100.0 >= bound) AS m FROM summaries s)
  SELECT *, CASE WHEN r = 5 AND f = 5 AND m = 5 THEN 'Champions'
    WHEN r >= 3 AND f >= 3 AND m >= 2 THEN 'Potential Loyalist'
    WHEN r BETWEEN 2 AND 4 AND f BETWEEN 2 AND 4 AND m BETWEEN 2 AND 4 THEN 'Loyal Customers'
    WHEN r BETWEEN 3 AND 4 AND f <= 3 AND m >= 3 THEN 'Promising'
    WHEN r >= 4 AND f <= 3 THEN 'New Customers'
    WHEN r <= 2 AND f BETWEEN 3 AND 4 AND m >= 4 THEN 'Can''t Lose Them'
    WHEN r <= 2 AND f >= 2 AND m >= 4 THEN 'At Risk'
    WHEN r <= 3 AND f >= 3 AND m >= 3 THEN 'Need Attention'
    WHEN r BETWEEN 2 AND 3 AND f <= 3 AND m <= 4 THEN 'About To Sleep'
    WHEN r = 1 THEN 'Lost' ELSE 'Others' END AS segment FROM scores;
CREATE INDEX scored_of ON scored(who, range, at);
SQL
report rfm --at 2026-10-31
rows 'segments' .segment .customers .orders .revenue | grep -v ' | 0 | 0 |' >ours
sql "SELECT segment, count(*), sum(orders), $(money 'sum(cents)') FROM scored WHERE at = '2026-10-31' AND range = 'all' GROUP BY 1" >theirs
same "RFM: segments"
rows ranges .range .segment .customers .orders .revenue >ours
sql "SELECT range, segment, count(*), sum(orders), $(money 'sum(cents)') FROM scored WHERE at = '2026-10-31' AND range <> 'all' GROUP BY 1, 2" >theirs
same "RFM: segments of each product range"
rows matrix .recency .f1 .f2 .f3 .f4 .f5 >ours
sql "SELECT r, sum(f = 1), sum(f = 2), sum(f = 3), sum(f = 4), sum(f = 5) FROM scored WHERE at = '2026-10-31' AND range = 'all' GROUP BY 1" >theirs
same "RFM: matrix of recency and frequency"

report rfm_moves --set since=2026-07-31 --at 2026-10-31
rows moves .from .to .customers >ours
sql "SELECT coalesce(a.segment, 'No order'), b.segment, count(*) FROM scored b LEFT JOIN scored a ON a.who = b.who AND a.range = 'all' AND a.at = '2026-07-31'
  WHERE b.at = '2026-10-31' AND b.range = 'all' GROUP BY 1, 2" >theirs
same "RFM: who moved from where to where"

# --- what was planted (src/cli/demo.h) is found ----------------------------------------------------------------

# holds WHAT: the report's numbers satisfy this, as jq says.
holds() { if jq -e "$2" report.json >/dev/null; then echo "ok - $1"; else echo "not ok - $1"; fi; }

report attribution --set models=first,last
holds "affiliates come late: the last touch has them for half as much again as the first" \
  '.tables.models[] | select(.channel_name == "affiliate") | .last_touch_conversions > 1.5 * .first_touch_conversions'
holds "paid social opens: the first touch has it for a quarter more than the last" \
  '.tables.models[] | select(.channel_name == "paid social") | .first_touch_conversions > 1.25 * .last_touch_conversions'
report ropo --from 2026-02-01 --to 2026-10-31 --set within_days=7
holds "about a seventh of the store's sales were planted to be looked for online; by chance a few more were" \
  '.tables.ropo[0].ropo_rate | . > 0.14 and . < 0.28'
report rfm
holds "of all customers 22 in 100 were planted to lapse; more than these have not bought for long, and less than half" \
  '[.tables.segments[] | select(.segment | IN("Lost", "About To Sleep", "At Risk", "Can'"'"'t Lose Them")) | .share] | add | . > 0.22 and . < 0.5'
