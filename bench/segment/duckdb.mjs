// The questions of bench_segment in SQL, for DuckDB.
//   duckdb.mjs load DATABASE THREADS CSV    makes the table
//   duckdb.mjs ask DATABASE THREADS         a line a question: name, answer, then seconds and processor seconds of each run
//   duckdb.mjs journeys DATABASE THREADS    the same of the paths before orders, for bench_attribution_events
// Rows lie in order of customer and time; names are an ENUM; times are microseconds; totals are integers inside.
import { DuckDBInstance } from "@duckdb/node-api";

const RUNS = 5;
const NAMES = ["Product Viewed", "Product Added", "Order Completed", "Page Viewed", "Email Opened", "Email Clicked",
  "Cart Viewed", "Checkout Started"];
const NOW = "TIMESTAMP '2026-06-30 00:00:00'";

const questions = {
  count: `SELECT count(*) FROM (SELECT customer FROM events
    WHERE name = 'Order Completed' AND total >= 50 AND time > ${NOW} - INTERVAL 90 DAY AND time <= ${NOW}
    GROUP BY customer HAVING count(*) >= 3)`,
  sum: `SELECT count(*) FROM (SELECT customer FROM events WHERE name = 'Order Completed' AND time <= ${NOW}
    GROUP BY customer HAVING sum(total) >= 500)`,
  // The last view before an addition, then the last such addition before an order, decide.
  funnel: `WITH steps AS (
      SELECT customer, time, name FROM events
      WHERE name IN ('Product Viewed', 'Product Added', 'Order Completed') AND time <= ${NOW}),
    added AS (
      SELECT a.customer, a.time FROM (SELECT * FROM steps WHERE name = 'Product Added') a
      ASOF JOIN (SELECT * FROM steps WHERE name = 'Product Viewed') v
      ON a.customer = v.customer AND a.time > v.time WHERE a.time <= v.time + INTERVAL 7 DAY)
    SELECT count(DISTINCT o.customer) FROM (SELECT * FROM steps WHERE name = 'Order Completed') o
    ASOF JOIN added a ON o.customer = a.customer AND o.time > a.time WHERE o.time <= a.time + INTERVAL 7 DAY`,
  abandoned: `SELECT count(*) FROM (SELECT customer FROM events
    WHERE name IN ('Product Added', 'Order Completed') AND time <= ${NOW} GROUP BY customer
    HAVING max(time) FILTER (name = 'Product Added') >=
      coalesce(max(time) FILTER (name = 'Order Completed'), TIMESTAMP '1970-01-01'))`,
};

// A touch belongs to the next order, when that is less than 30 days later; of repeats in a row the first. How many orders
// there are, how many have a touch, and how many different paths.
const journeys = `WITH touches AS (
    SELECT customer, time, CASE WHEN name IN ('Email Opened', 'Email Clicked') THEN 9 ELSE channel END AS channel
    FROM events WHERE name IN ('Page Viewed', 'Product Viewed', 'Email Opened', 'Email Clicked', 'Cart Viewed')
      AND time <= ${NOW}),
  orders AS (SELECT customer, time FROM events WHERE name = 'Order Completed' AND time <= ${NOW}),
  ours AS (
    SELECT t.customer, o.time AS ordered, t.time, t.channel FROM touches t
    ASOF JOIN orders o ON t.customer = o.customer AND t.time <= o.time WHERE t.time > o.time - INTERVAL 30 DAY),
  marked AS (
    SELECT *, lag(channel) OVER (PARTITION BY customer, ordered ORDER BY time) AS before FROM ours),
  paths AS (
    SELECT customer, ordered, string_agg(channel::VARCHAR, '>' ORDER BY time) AS path FROM marked
    WHERE before IS DISTINCT FROM channel GROUP BY customer, ordered),
  counted AS (SELECT path, count(*) AS conversions FROM paths GROUP BY path)
  SELECT (SELECT count(*) FROM orders) || ' ' || sum(conversions) || ' ' || count(*) FROM counted`;

async function load(connection, csv) {
  const names = NAMES.map((name) => `'${name}'`).join(", ");
  await connection.run(`CREATE TYPE event_name AS ENUM (${names})`);
  await connection.run(`CREATE TABLE events AS SELECT customer, make_timestamp(time_us) AS time,
    list_extract(enum_range(NULL::event_name), name::INT)::event_name AS name, (cents / 100)::DECIMAL(9, 2) AS total,
    channel, store FROM read_csv('${csv}', header = false, columns = {'customer': 'UINTEGER', 'time_us': 'BIGINT',
      'name': 'UTINYINT', 'cents': 'INTEGER', 'channel': 'UTINYINT', 'store': 'USMALLINT'})`);
  await connection.run("CHECKPOINT");
}

async function ask(connection, sql) {
  const times = [];
  let answer;
  for (let run = 0; run <= RUNS; run++) {
    const before = performance.now(), cpu = process.cpuUsage();
    answer = (await connection.runAndReadAll(sql)).getRows()[0][0];
    const spent = process.cpuUsage(cpu);
    if (run > 0) times.push((performance.now() - before) / 1e3, (spent.user + spent.system) / 1e6);
  }
  return [answer, ...times].join(" ");
}

const [, , mode, database, threads, csv] = process.argv;
const instance = await DuckDBInstance.create(database, { threads });
const connection = await instance.connect();
if (mode === "load") await load(connection, csv);
else if (mode === "journeys") console.log(`journeys ${await ask(connection, journeys)}`);
else for (const [name, sql] of Object.entries(questions)) console.log(`${name} ${await ask(connection, sql)}`);
connection.closeSync();
instance.closeSync();
