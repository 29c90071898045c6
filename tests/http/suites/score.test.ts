// Scores on the record: an order over HTTP changes them before its reply, a local midnight at that midnight; what asks
// for them comes and goes with them; and everybody's scores by the command, from the workspace as from a file.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { identify, times, track } from "../lib/message.ts";
import { until } from "../lib/poll.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";

const NOW = "2026-06-01T12:00:00Z"; // 14:00 in Paris
const site = await openSite({ args: ["--test-clock", NOW] });
const { client, sender } = site;
after(() => site.close());

interface Bounds {
  recency: number[];
  frequency: number[];
  monetary: number[];
}
interface Score {
  id: string;
  version: number;
  status: string;
  thresholds: { global?: Bounds; ranges: { [range: string]: Bounds } };
  refreshed_at: string;
}
interface Rfm {
  r: number;
  f: number;
  m: number;
  number: number;
  segment: string;
}
interface OfCustomer {
  segments: { id: string; since: string }[];
  attributes: { [id: string]: unknown };
  scores: { [id: string]: { [range: string]: Rfm } };
}

const CUSTOMERS = 40;
interface Line {
  user: string;
  day: string;
  id: string;
  total: number;
  category: string;
}
const lines: Line[] = times(CUSTOMERS, (i) =>
  times(1 + (i % 4), (n) => ({
    user: `u${i}`,
    day: new Date(Date.UTC(2026, 4, 20) - ((i * 5 + n * 17) % 200) * 86_400_000).toISOString().slice(0, 10),
    id: `o${i}-${n}`,
    total: 10 + ((i * 13 + n * 7) % 300) + 0.5,
    category: ["Phones", "Cases", "Bags"][(i + n) % 3] ?? "",
  })),
).flat();
const order = (user: string, id: string, total: number, category: string, timestamp: string): object =>
  track(
    { userId: user },
    "Order Completed",
    { order_id: id, total, products: [{ category, price: total }] },
    { timestamp },
  );
(await client.ask("PUT", "/v1/workspace", { body: { timezone: "Europe/Paris" } })).expect();
await sender.takeAll(times(CUSTOMERS, (i) => identify({ userId: `u${i}` }, { country: "FR" })));
await sender.takeAll(
  lines.map((line) => order(line.user, line.id, line.total, line.category, `${line.day}T09:00:00Z`)),
);

const put = (body: object) => client.ask("PUT", "/v1/scores", { body });
const live = (path: string, version = 1): Promise<Score> =>
  until(`${path} is live`, 10_000, async () => {
    const found = (await client.get(path)).expect<Score>();
    return found.status === "live" && found.version >= version ? found : undefined;
  });
async function define(path: string, body: { id: string; [name: string]: unknown }): Promise<Score> {
  const { version } = (await client.ask("PUT", path, { body })).expect<Score>();
  return live(`${path}/${body.id}`, version);
}
const of = async (user: string): Promise<OfCustomer> =>
  (await client.get(`/v1/customers/user_id:${user}/segments`)).expect<OfCustomer>();
const is_in = async (user: string, id: string): Promise<boolean> =>
  (await of(user)).segments.some((segment) => segment.id === id);

const bounds = (recency: number[], frequency: number[], monetary: number[]): Bounds => ({
  recency,
  frequency,
  monetary,
});

describe("a score", () => {
  it("follows every order, in the reply's commit", async () => {
    await define("/v1/scores", {
      id: "fixed",
      method: "fixed",
      bins: 3,
      ranges: ["Phones"],
      thresholds: {
        global: bounds([5, 30], [2, 3], [100, 500]),
        ranges: { Phones: bounds([10, 40], [2, 3], [100, 500]) },
      },
    });
    await define("/v1/segments", { id: "phone_fans", include: 'score("fixed", "Phones").f >= 2' });
    await sender.takeAll([order("zoe", "z1", 120, "Phones", "2026-05-31T21:30:00Z")]); // 23:30 in Paris
    const before = (await of("zoe")).scores["fixed"];
    assert.deepEqual(before?.["all"], { r: 3, f: 1, m: 2, number: 312, segment: before?.["all"]?.segment });
    assert.equal(await is_in("zoe", "phone_fans"), false);
    await sender.takeAll([order("zoe", "z2", 400, "Phones", "2026-05-31T21:31:00Z")]);
    assert.equal((await of("zoe")).scores["fixed"]?.["Phones"]?.number, 323);
    assert.equal(await is_in("zoe", "phone_fans"), true);
    await sender.takeAll([order("zoe", "z2", 400, "Phones", "2026-05-31T21:32:00Z")]); // the same order again
    assert.equal((await of("zoe")).scores["fixed"]?.["Phones"]?.number, 323);
  });

  it("is asked in counts, lists and attributes; of the past it is as of now, with a warning", async () => {
    const count = async (body: object) =>
      (await client.ask("POST", "/v1/query/count", { body })).expect<{ count: number; warnings: { code: string }[] }>();
    const expression = 'score("fixed").r = 3 and score("fixed").m = 3';
    assert.equal((await count({ expression })).count > 0, true);
    const past = await count({ expression, at: "2026-01-01T00:00:00Z" });
    assert.deepEqual(
      past.warnings.map((warning) => warning.code),
      ["not_as_of"],
    );
    const unknown = await client.ask("POST", "/v1/query/count", { body: { expression: 'score("fixd").r = 3' } });
    unknown.refused(422, "unknown_score", /did you mean `fixed`/);
    const range = await count({ expression: 'score("fixed", "Phone").r = 3' });
    assert.deepEqual([range.count, range.warnings.map((warning) => warning.code)], [0, ["unknown_range"]]);
    await define("/v1/segments", { id: "tag", kind: "attribute", expression: 'score("fixed").segment' });
    const zoe = await of("zoe");
    assert.equal(zoe.attributes["tag"], zoe.scores["fixed"]?.["all"]?.segment);
  });

  it("is asked by the rules of a loyalty programme", async () => {
    const rule = { id: "fans", on: "Reviewed", when: 'score("fixed", "Phones").f >= 2', earn: "7" };
    const club = { id: "club", timezone: "Europe/Paris", money: "EUR", currencies: [{ id: "points" }], rules: [rule] };
    (await client.ask("PUT", "/v1/loyalty/programmes", { body: club })).expect();
    await sender.takeAll([track({ userId: "zoe" }, "Reviewed"), track({ userId: "yan" }, "Reviewed")]);
    const points = async (user: string): Promise<number | undefined> =>
      (await client.get(`/v1/customers/user_id:${user}/loyalty`)).expect<{
        programmes: { balances: { active: number }[] }[];
      }>().programmes[0]?.balances[0]?.active;
    assert.deepEqual([await points("zoe"), (await points("yan")) ?? 0], [7, 0]);
  });

  it("falls at the local midnight at which the last order has grown too old", async () => {
    await define("/v1/segments", { id: "fresh", include: 'score("fixed").r = 3' });
    assert.equal(await is_in("zoe", "fresh"), true);
    await client.holdClock("2026-06-04T21:59:59Z"); // in Paris the fourth of June: the order of 31 May is 4 days old
    assert.equal(await is_in("zoe", "fresh"), true);
    await client.holdClock("2026-06-04T22:00:00Z"); // the fifth
    assert.equal(await is_in("zoe", "fresh"), false);
    assert.equal((await of("zoe")).scores["fixed"]?.["all"]?.r, 2);
    assert.equal((await of("zoe")).scores["fixed"]?.["Phones"]?.r, 3);
    const left = await until("the feed tells it", 10_000, async () => {
      const page = (await client.get("/v1/segments/fresh/changes", { limit: 1000 })).expect<{
        items: { change: string; at: string }[];
      }>();
      return page.items.find((item) => item.change === "left" && item.at === "2026-06-04T22:00:00.000Z");
    });
    assert.ok(left);
  });

  it("finds its thresholds, keeps them, and finds them again", async () => {
    const first = await define("/v1/scores", { id: "rfm", ranges: "auto", window: "24 months" });
    assert.deepEqual(Object.keys(first.thresholds.ranges), ["Bags", "Cases", "Phones"]);
    assert.equal(first.thresholds.global?.recency.length, 4);
    const again = (await client.ask("POST", "/v1/scores/rfm/refresh")).expect<Score>();
    assert.equal(again.version, 1);
    await sender.takeAll(times(20, (i) => order(`n${i}`, `n${i}`, 1000 + i, "Coats", "2026-06-04T10:00:00Z")));
    assert.equal((await of("n1")).scores["rfm"]?.["Coats"], undefined);
    (await client.ask("POST", "/v1/scores/rfm/refresh")).expect();
    const second = await live("/v1/scores/rfm", 2);
    assert.ok(second.thresholds.ranges["Coats"]);
    assert.ok((await of("n1")).scores["rfm"]?.["Coats"]);
    const listed = (await client.get("/v1/scores")).expect<{ items: Score[] }>();
    assert.deepEqual(
      listed.items.map((item) => item.id),
      ["fixed", "rfm"],
    );
    const segments = (await client.get("/v1/segments")).expect<{ items: { id: string }[] }>();
    assert.equal(
      segments.items.some((item) => item.id === "rfm"),
      false,
    );
  });

  it("is refused in words, and not ended while something refers to it", async () => {
    (await put({ id: "x", rangs: [] })).refused(400, "unknown_member", /ranges/);
    (await put({ id: "phone_fans" })).refused(422, "other_kind");
    (await client.get("/v1/scores/rfn")).refused(404, "no_score", /rfm/);
    (await client.ask("DELETE", "/v1/scores/fixed")).refused(422, "in_use");
    assert.equal((await client.ask("DELETE", "/v1/scores/rfm")).expect<Score>().status, "archived");
    assert.equal((await of("n1")).scores["rfm"], undefined);
  });
});

describe("rapport score", () => {
  const there = (...args: string[]) =>
    run([...args, "--url", site.server.url], { env: { RAPPORT_KEY: site.workspace.secret_key } });

  it("gives of a workspace what it gives of a file of the same orders", async () => {
    const file = join(site.workspace.data, "..", "orders.csv");
    const rows = lines.map((line) => `${line.user},${line.day},${line.total},${line.id},${line.category}`);
    await writeFile(file, ["user,day,total,id,category", ...rows].join("\n"));
    // Only these customers: the others bought later.
    const options = ["--at", "2026-05-25", "--previous", "2026-03-01", "--format", "csv"];
    const from_file = await run(["score", "rfm", "--orders", file, "--columns", "user,day,total,id", ...options]);
    const from_there = await there("score", "rfm", ...options);
    assert.equal(from_file.code, 0, from_file.stderr);
    assert.equal(from_there.code, 0, from_there.stderr);
    const names = new Map<string, string>();
    for (let i = 0; i < CUSTOMERS; i++) names.set((await client.customer(`user_id:u${i}`)).id, `u${i}`);
    const named = from_there.stdout.replace(/^c\d+/gm, (id) => names.get(id) ?? id);
    assert.deepEqual(named.trim().split("\n").toSorted(), from_file.stdout.trim().split("\n").toSorted());
    const bags = await there("score", "rfm", "--at", "2026-05-25", "--range", "Bags", "--format", "csv");
    const expected = new Set(lines.filter((line) => line.category === "Bags").map((line) => line.user));
    assert.equal(bags.stdout.trim().split("\n").length - 1, expected.size);
  });

  it("puts, shows, refreshes and ends one", async () => {
    const result = await run(["score", "put", "-", "--json", "--url", site.server.url], {
      input: '{"id":"cli","ranges":"auto"}',
      env: { RAPPORT_KEY: site.workspace.secret_key },
    });
    assert.equal(result.code, 0, result.stderr);
    assert.equal((JSON.parse(result.stdout) as Score).status, "live");
    assert.match((await there("score", "list")).stdout, /cli/);
    assert.match((await there("score", "refresh", "cli")).stdout, /version +1/);
    assert.match((await there("score", "show", "cli")).stdout, /Phones/);
    assert.match((await there("score", "archive", "cli")).stdout, /archived/);
  });
});
