// json-rules-engine over the rules and the baskets of bench_loyalty, read from two files of JSON lines: so many
// evaluations of all rules, one after the other. Prints how many a second it made and how many rules held.
import { readFileSync } from "node:fs";
import { Engine } from "json-rules-engine";

const [rulesPath, basketsPath, seconds] = process.argv.slice(2);
const lines = (path) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");

// "total > 10", "exists(this.products where sku = "P2")", "store = "S3" and total > 20"
function conditions(when) {
  const [, sku] = /sku = "(\w+)"/.exec(when) ?? [];
  const [, store] = /store = "(\w+)"/.exec(when) ?? [];
  const [, total] = /total > (\d+)/.exec(when) ?? [];
  const all = [];
  if (sku !== undefined) all.push({ fact: "skus", operator: "contains", value: sku });
  if (store !== undefined) all.push({ fact: "store", operator: "equal", value: store });
  if (total !== undefined) all.push({ fact: "total", operator: "greaterThan", value: Number(total) });
  return { all };
}

function facts(line) {
  const { store, products } = JSON.parse(line).cart;
  const total = products.reduce((sum, { price, quantity }) => sum + Math.round(price * 100) * quantity, 0) / 100;
  return { store, total, skus: products.map(({ sku }) => sku) };
}

const engine = new Engine();
for (const line of lines(rulesPath))
  for (const rule of JSON.parse(line).rules)
    engine.addRule({ conditions: conditions(rule.when), event: { type: rule.id }, name: rule.id });
const baskets = lines(basketsPath);
let evaluations = 0;
let held = 0;
const startNs = process.hrtime.bigint();
const untilNs = startNs + BigInt(Math.round(Number(seconds) * 1e9));
while (process.hrtime.bigint() < untilNs) {
  const { events } = await engine.run(facts(baskets[evaluations % baskets.length]));
  held += events.length;
  evaluations++;
}
const elapsed = Number(process.hrtime.bigint() - startNs) / 1e9;
const { user, system } = process.cpuUsage();
console.log((evaluations / elapsed).toFixed(1), (held / evaluations).toFixed(2), ((user + system) / evaluations).toFixed(1));
