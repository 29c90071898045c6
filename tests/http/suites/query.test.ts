// Expressions: counted, listed in pages, checked, explained for a customer, over HTTP and by the command line alike; and
// the workspace's time zone.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { identify, track } from "../lib/message.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

interface Warning {
  code: string;
  message: string;
  suggestion: string | null;
}
interface Count {
  count: number;
  unknown: number;
  customers: number;
  at: string;
  warnings: Warning[];
}
interface List {
  items: { [name: string]: unknown }[];
  fields: string[];
  next: string | null;
  at: string;
  warnings: Warning[];
}
interface Explanation {
  customer?: string;
  value?: unknown;
  until?: string | null;
  tree: { depth: number; expression: string; value?: unknown; matched?: number }[];
  needs: { events: string[]; traits: string[]; time: boolean };
}
interface Refusal {
  line: number;
  column: number;
  suggestion?: string;
}

const order = (user: string, timestamp: string, total: number): object =>
  track({ userId: user }, "Order Completed", { total }, { timestamp });

await sender.takeAll([
  identify({ userId: "zoe" }, { email: "zoe@exemple.fr", country: "FR" }),
  identify({ userId: "leo" }, { email: "leo@exemple.fr", country: "BE" }),
  identify({ userId: "ana" }, { country: "FR" }),
  order("zoe", "2026-01-10T10:00:00Z", 80),
  order("zoe", "2026-02-10T10:00:00Z", 20.5),
  order("leo", "2026-02-20T23:30:00Z", 15),
]);

const post = (path: string, body: object) => client.ask("POST", path, { body });
const count = async (expression: string, more: object = {}): Promise<Count> =>
  (await post("/v1/query/count", { expression, ...more })).expect<Count>();

describe("counts", () => {
  it("say how many, of how many, as of when", async () => {
    const all = await count('exists("Order Completed")');
    assert.deepEqual([all.count, all.unknown, all.customers, all.warnings], [2, 0, 3, []]);
    assert.equal((await count('not exists("Order Completed")')).count, 1);
    assert.equal((await count('traits.country = "FR"')).count, 2);
  });

  it("go back in time with their events", async () => {
    const expression = 'sum(total of "Order Completed") > 100';
    assert.equal((await count(expression, { at: "2026-02-10T10:00:00Z" })).count, 1);
    const before = await count(expression, { at: "2026-02-10T09:59:59.999Z" });
    assert.deepEqual([before.count, before.at], [0, "2026-02-10T09:59:59.999Z"]);
  });

  it("name what they cannot go back in, and refuse it when asked to be strict", async () => {
    const body = { expression: 'traits.country = "FR"', at: "2026-01-01T00:00:00Z" };
    const { warnings } = await count(body.expression, { at: body.at });
    assert.equal(warnings[0]?.code, "not_as_of");
    assert.match(warnings[0]?.message ?? "", /traits\.country/);
    (await post("/v1/query/count", { ...body, strict: true })).refused(422, "not_as_of", /traits\.country/);
  });

  it("warn of names that never came", async () => {
    const { warnings } = await count('exists("Ordr Completed")');
    assert.deepEqual([warnings[0]?.code, warnings[0]?.suggestion], ["unknown_event", "Order Completed"]);
  });

  it("refuse with the place in the text", async () => {
    const reply = await post("/v1/query/count", { expression: 'true and\n cont("x") > 1' });
    const problem = reply.refused(422, "unknown_function", /cont/) as unknown as Refusal;
    assert.deepEqual([problem.line, problem.column, problem.suggestion], [2, 2, "count"]);
    (await post("/v1/query/count", { expression: 'count("Order Completed")' })).refused(422, "wrong_type");
    (await post("/v1/query/count", {})).refused(400, "bad_member", /expression/);
    (await post("/v1/query/count", { expression: "true", at: "soon" })).refused(400, "bad_member", /at/);
    (await post("/v1/query/count", { expression: "true", stric: true })).refused(400, "unknown_member", /strict/);
  });

  it("are for keys that may read", async () => {
    for (const path of ["/v1/query/count", "/v1/query/list", "/v1/expressions/check", "/v1/expressions/explain"])
      (await sender.ask("POST", path, { body: { expression: "true" } })).refused(403, "missing_scope");
  });
});

describe("lists", () => {
  it("give the fields that were asked for", async () => {
    const list = (
      await post("/v1/query/list", {
        expression: 'exists("Order Completed")',
        fields: ["id", "email", "traits.country", 'spent=sum(total of "Order Completed")'],
      })
    ).expect<List>();
    assert.deepEqual(list.fields, ["id", "email", "traits.country", "spent"]);
    assert.deepEqual(
      list.items.map((item) => [item["email"], item["traits.country"], item["spent"]]),
      [
        ["zoe@exemple.fr", "FR", 100.5],
        ["leo@exemple.fr", "BE", 15],
      ],
    );
    assert.equal(list.next, null);
  });

  it("come in pages, in order of ids", async () => {
    const seen: unknown[] = [];
    let next: string | null = null;
    do {
      const body = { expression: "true", limit: 1, ...(next === null ? {} : { after: next }) };
      const page: List = (await post("/v1/query/list", body)).expect<List>();
      assert.equal(page.items.length, 1);
      seen.push(page.items[0]?.["id"]);
      next = page.next;
    } while (next !== null);
    assert.equal(new Set(seen).size, 3);
    (await post("/v1/query/list", { expression: "true", after: "zoe" })).refused(400, "bad_cursor");
    (await post("/v1/query/list", { expression: "true", limit: 1001 })).refused(400, "bad_member", /limit/);
    (await post("/v1/query/list", { expression: "true", fields: ["emial"] })).refused(400, "bad_field", /emial/);
    (await post("/v1/query/list", { expression: "true", fields: ["x=lower(3)"] })).refused(422, "wrong_type");
  });
});

describe("expressions", () => {
  it("are checked: the canonical text, whether it is a condition, warnings", async () => {
    const checked = (await post("/v1/expressions/check", { expression: '((count("Order Completed")))>=3' })).expect();
    assert.deepEqual(checked, { expression: 'count("Order Completed") >= 3', condition: true, warnings: [] });
    const value = (await post("/v1/expressions/check", { expression: "1 + 1" })).expect<{ condition: boolean }>();
    assert.equal(value.condition, false);
    (await post("/v1/expressions/check", { expression: "1 +" })).refused(422, "unfinished");
  });

  it("are explained for a customer, value by value, with how long it holds", async () => {
    const explained = (
      await post("/v1/expressions/explain", {
        expression: 'sum(total of "Order Completed" in last 90 days) > 50',
        customer: "email:zoe@exemple.fr",
        at: "2026-02-15T00:00:00Z",
      })
    ).expect<Explanation>();
    assert.equal(explained.value, true);
    assert.equal(explained.until, "2026-04-10T10:00:00.000Z");
    assert.deepEqual(
      explained.tree.map((part) => [part.depth, part.value, part.matched]),
      [
        [0, true, undefined],
        [1, 100.5, 2],
      ],
    );
    assert.deepEqual(explained.needs.events, ["Order Completed"]);
    (await post("/v1/expressions/explain", { expression: "true", customer: "email:x@y.fr" })).refused(
      404,
      "no_customer",
    );
  });
});

describe("the command line", () => {
  it("asks a server for the same", async () => {
    const env = { RAPPORT_URL: site.server.url, RAPPORT_KEY: site.workspace.secret_key };
    const counted = await run(["count", 'exists("Order Completed")'], { env });
    assert.equal(counted.stdout, "2\n");
    const listed = await run(
      ["list", 'exists("Order Completed")', "--format", "csv", "--fields", 'email,first(total of "Order Completed")'],
      { env },
    );
    assert.equal(listed.stdout, 'email,"first(total of ""Order Completed"")"\nzoe@exemple.fr,80\nleo@exemple.fr,15\n');
    const refused = await run(["count", "cont(1)"], { env });
    assert.match(refused.stderr, /line 1, column 1.*count/s);
    const explained = await run(["explain", 'count("Order Completed") > 1', "--customer", "user_id:zoe"], { env });
    assert.match(explained.stdout, /count\("Order Completed"\) +=  2/);
  });
});

describe("the workspace's time zone", () => {
  it("is UTC until somebody chooses another, and says where days begin", async () => {
    const day = 'exists("Order Completed" between 2026-02-21 and 2026-02-21)';
    assert.deepEqual((await client.get("/v1/workspace")).expect(), { timezone: "UTC" });
    assert.equal((await count(day)).count, 0);
    const put = await client.ask("PUT", "/v1/workspace", { body: { timezone: "Europe/Paris", author: "ana" } });
    assert.deepEqual(put.expect(), { timezone: "Europe/Paris" });
    assert.equal((await count(day)).count, 1);
    (await client.ask("PUT", "/v1/workspace", { body: { timezone: "Europe/Pariss" } })).refused(
      400,
      "bad_timezone",
      /Europe\/Paris\?/,
    );
    assert.deepEqual((await client.get("/v1/workspace")).expect(), { timezone: "Europe/Paris" });
  });
});
