// Keys and what they may do, sources, repeated writes, and the shape of every refusal.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { basic } from "../lib/client.ts";
import type { Job, Report } from "../lib/documents.ts";
import { identify, page, times } from "../lib/message.ts";
import { openApi } from "../lib/openapi.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

await sender.takeAll([identify({ userId: "zoe" }, { firstName: "Zoé" })]);
const ZOE = "/v1/customers/user_id%3Azoe";

describe("scopes", () => {
  const reads = [
    ZOE,
    `${ZOE}/events`,
    `${ZOE}/identity`,
    "/v1/customers?q=zoe",
    "/v1/schema",
    "/v1/stats",
    "/v1/aside",
    "/v1/sources",
    "/v1/identity/rules",
  ];
  const writes: [string, string][] = [
    ["POST", `${ZOE}/split`],
    ["POST", `${ZOE}/corrections`],
    ["POST", "/v1/identity/allow"],
    ["PUT", "/v1/identity/rules"],
    ["DELETE", "/v1/aside/1"],
    ["POST", "/v1/sources"],
  ];
  const erases: [string, string][] = [
    ["DELETE", ZOE],
    ["GET", `${ZOE}/export`],
  ];
  const admin: [string, string][] = [
    ["GET", "/v1/keys"],
    ["POST", "/v1/keys"],
    ["DELETE", "/v1/keys/1"],
  ];

  it("a write key can send, and nothing else", async () => {
    const all = [...reads.map((path) => ["GET", path] as const), ...writes, ...erases, ...admin];
    for (const [method, path] of all) {
      (await sender.ask(method, path, method === "GET" ? {} : { body: {} })).refused(403, "missing_scope");
    }
  });

  for (const scope of ["read", "write", "erase", "admin", "collect"]) {
    it(`a secret key with "${scope}" may do that alone`, async () => {
      const { key } = await client.makeKey({ kind: "secret", name: scope, scopes: [scope] });
      const refused = async (method: string, path: string): Promise<boolean> =>
        (await client.ask(method, path, { key, ...(method === "GET" ? {} : { body: {} }) })).status === 403;
      for (const path of reads) assert.equal(await refused("GET", path), scope !== "read", path);
      for (const [method, path] of writes) assert.equal(await refused(method, path), scope !== "write", path);
      assert.equal(await refused("GET", `${ZOE}/export`), scope !== "erase");
      assert.equal(await refused("GET", "/v1/keys"), scope !== "admin");
      assert.equal(await refused("POST", "/v1/page"), scope !== "collect");
    });
  }

  it("management asks for a key, and says how", async () => {
    const reply = await client.ask("GET", "/v1/stats", { key: null });
    reply.refused(401, "missing_key");
    assert.match(reply.headers["www-authenticate"] ?? "", /Bearer/i);
    (await client.ask("GET", "/v1/stats", { key: "sk_nobody" })).refused(401, "bad_key");
    (await client.ask("GET", `/v1/stats?writeKey=${site.workspace.secret_key}`, { key: null })).refused(
      401,
      "missing_key",
    );
    (
      await client.ask("GET", "/v1/stats", { key: null, headers: { authorization: basic(site.workspace.secret_key) } })
    ).expect();
  });
});

describe("keys", () => {
  it("are shown once, listed without their secret, and end at once", async () => {
    await client.putSource({ name: "web shop", kind: "browser" });
    const made = await client.makeKey({ kind: "write", name: "shop page", source: "web shop" });
    assert.match(made.key, /^wk_/);
    const listing = await client.get("/v1/keys");
    assert.ok(!listing.text.includes(made.key.slice(3)));
    assert.ok(listing.expect<{ items: { id: number }[] }>().items.some(({ id }) => id === made.id));
    const body = page({ userId: "keyed" });
    assert.equal((await sender.ask("POST", "/v1/page", { body, key: made.key })).expect<Report>().taken, 1);
    assert.equal((await client.ask("DELETE", `/v1/keys/${made.id}`)).status, 204);
    (await sender.ask("POST", "/v1/page", { body, key: made.key })).refused(401, "bad_key");
    assert.equal((await client.allEvents("user_id:keyed"))[0]?.source, "web shop");
  });

  it("that make no sense are refused", async () => {
    const make = async (body: object): Promise<string> =>
      (await client.ask("POST", "/v1/keys", { body })).expect<{ code: string }>(400).code;
    assert.equal(await make({ kind: "secret", name: "a", scopes: ["fly"] }), "unknown_scope");
    assert.equal(await make({ kind: "gold", name: "a" }), "bad_member");
    assert.equal(await make({ kind: "write", name: "a", source: "no such source" }), "bad_member");
    (await client.ask("DELETE", "/v1/keys/999999")).refused(404, "no_key");
    (await client.ask("DELETE", "/v1/keys/first")).refused(404, "no_key");
  });
});

describe("the audit", () => {
  it("tells who changed keys, sources, segments and the workspace, before and after", async () => {
    const { key } = await client.makeKey({ kind: "secret", name: "camille", scopes: ["read", "write", "admin"] });
    const camille = site.server.client(key);
    (await camille.ask("PUT", "/v1/sources", { body: { name: "till 9", kind: "till" } })).expect();
    const segment = { id: "named", include: "traits.firstName is not null" };
    (await camille.ask("PUT", "/v1/segments", { body: segment })).expect();
    (await camille.ask("PUT", "/v1/workspace", { body: { timezone: "Europe/Paris" } })).expect();
    const page = await camille.get("/v1/audit", { author: "camille" });
    const { items } = page.expect<{ items: { action: string; subject?: string; before: object; after: object }[] }>();
    assert.deepEqual(
      items.map(({ action, subject }) => [action, subject]),
      [
        ["workspace.put", "timezone"],
        ["segment.put", "named"],
        ["source.put", "till 9"],
      ],
    );
    assert.deepEqual(items[0]?.before, { timezone: "UTC" });
    assert.deepEqual(items[0]?.after, { timezone: "Europe/Paris" });
    const made = (await camille.get("/v1/audit", { subject: "camille" })).expect<{ items: { action: string }[] }>();
    assert.deepEqual(made.items.map(({ action }) => action), ["key.created"]);
    const loyalty = (await camille.get("/v1/loyalty/audit")).expect<{ items: object[] }>();
    assert.deepEqual(loyalty.items, []);
    (await camille.ask("PUT", "/v1/workspace", { body: { timezone: "UTC" } })).expect();
  });
});

describe("the audit of settings", () => {
  it("tells who changed reports, attribution and scores, before and after", async () => {
    const { key } = await client.makeKey({ kind: "secret", name: "dora", scopes: ["read", "write", "admin"] });
    const dora = site.server.client(key);
    const thresholds = { global: { recency: [30], frequency: [2], monetary: [100] } };
    (await dora.ask("PUT", "/v1/reports/settings", { body: { amount: "total" } })).expect();
    (await dora.ask("PUT", "/v1/attribution/settings", { body: { lookback: "7 days" } })).expect();
    (await dora.ask("PUT", "/v1/scores", { body: { id: "rfm", method: "fixed", bins: 2, thresholds } })).expect();
    (await dora.ask("POST", "/v1/scores/rfm/refresh")).expect();
    (await dora.ask("DELETE", "/v1/scores/rfm")).expect();
    type Side = { amount?: string; lookback?: string; thresholds?: { global: { recency: number[] } } } | null;
    type Entry = { action: string; subject: string; before: Side; after: Side };
    const { items } = (await dora.get("/v1/audit", { author: "dora" })).expect<{ items: Entry[] }>();
    assert.deepEqual(
      items.map(({ action, subject }) => [action, subject]),
      [
        ["score.archived", "rfm"],
        ["score.refreshed", "rfm"],
        ["score.put", "rfm"],
        ["settings.put", "attribution"],
        ["settings.put", "reports"],
      ],
    );
    assert.deepEqual(items[0]?.before?.thresholds?.global.recency, [30]);
    assert.equal(items[0]?.after, null);
    assert.equal(items[2]?.before, null);
    assert.deepEqual([items[3]?.before?.lookback, items[3]?.after?.lookback], ["30 days", "7 days"]);
    assert.deepEqual([items[4]?.before?.amount, items[4]?.after?.amount], ["coalesce(total, revenue, value)", "total"]);
  });
});

describe("sources", () => {
  it("are made, changed member by member, and listed", async () => {
    const made = await client.putSource({ name: "till Lyon", kind: "till", user_id_type: "user_id", priority: 3 });
    assert.deepEqual([made.kind, made.priority], ["till", 3]);
    const changed = await client.putSource({ name: "till Lyon", region: "CH" });
    assert.deepEqual([changed.id, changed.kind, changed.region, changed.priority], [made.id, "till", "CH", 3]);
    assert.ok((await client.sources()).some(({ name }) => name === "till Lyon"));
  });

  it("read phone numbers by their own region", async () => {
    await client.putSource({ name: "till Genève", kind: "till", region: "CH" });
    const { key } = await client.makeKey({ kind: "write", name: "ge", source: "till Genève" });
    await sender.ask("POST", "/v1/identify", { key, body: identify({ userId: "swiss" }, { phone: "079 123 45 67" }) });
    assert.ok(await client.find("phone:+41791234567"));
  });

  it("give their userId a type of their own, so that two systems' numbers do not collide", async () => {
    const { rules } = await client.rules();
    rules.types["pos_id"] = { class: "person", limit: 1, paths: [] };
    await client.putRules(rules);
    await client.putSource({ name: "tills", kind: "till", user_id_type: "pos_id" });
    const { key } = await client.makeKey({ kind: "write", name: "tills", source: "tills" });
    await sender.ask("POST", "/v1/page", { key, body: page({ userId: "42" }) });
    await sender.takeAll([page({ userId: "42" })]);
    assert.notEqual((await client.customer("pos_id:42")).id, (await client.customer("user_id:42")).id);
  });

  it("that make no sense are refused", async () => {
    const put = async (body: object): Promise<string> =>
      (await client.ask("POST", "/v1/sources", { body })).expect<{ code: string }>(400).code;
    assert.equal(await put({ name: "" }), "bad_member");
    assert.equal(await put({ name: "a", kind: "satellite" }), "bad_member");
    assert.equal(await put({ name: "a", priority: 1.5 }), "bad_member");
    assert.equal(await put({ name: "a", region: "France" }), "bad_region");
    assert.equal(await put({ name: "a", user_id_type: "pos-id" }), "unknown_type");
  });
});

describe("Idempotency-Key", () => {
  const correct = (key: string, city: string): ReturnType<typeof client.ask> =>
    client.ask("POST", `${ZOE}/corrections`, { body: { traits: { city } }, headers: { "idempotency-key": key } });

  it("the same request again gives the same bytes, and changes nothing", async () => {
    const first = await correct("k-1", "Lyon");
    first.expect();
    await client.correct("user_id:zoe", { city: "Paris" });
    const second = await correct("k-1", "Lyon");
    assert.equal(second.text, first.text);
    assert.equal(second.headers["idempotency-hit"], "true");
    assert.equal(first.headers["idempotency-hit"], undefined);
    assert.equal((await client.customer("user_id:zoe")).traits["city"], "Paris");
  });

  it("another request under the same key is refused", async () => {
    (await correct("k-1", "Nice")).refused(422, "idempotency_mismatch");
  });

  it("another caller's key is another request", async () => {
    const { key } = await client.makeKey({ kind: "secret", name: "other", scopes: ["write"] });
    const reply = await client.ask("POST", `${ZOE}/corrections`, {
      key,
      body: { traits: { city: "Brest" } },
      headers: { "idempotency-key": "k-1" },
    });
    assert.equal(reply.expect<{ traits: { city: string } }>().traits.city, "Brest");
  });

  it("what asks to be tried again is not kept", async () => {
    const ask = (): ReturnType<typeof client.ask> =>
      client.ask("POST", "/v1/checks", { headers: { "idempotency-key": "k-4" } });
    const others = await Promise.all(times(8, () => client.ask("POST", "/v1/checks")));
    const reply = await ask();
    if (reply.status === 409) reply.refused(409, "job_running");
    for (const other of others.filter(({ status }) => status === 202)) await client.ended(other.json<Job>());
    if (reply.status === 202) await client.ended(reply.json<Job>());
    assert.equal((await ask()).status, 202);
  });

  it("a correction answers with the record as it is then", async () => {
    const reply = await correct("k-5", "Metz");
    assert.equal((await client.get(ZOE)).text, reply.text);
  });

  it("a refusal is repeated too", async () => {
    const ask = (): ReturnType<typeof client.ask> =>
      client.ask("POST", `${ZOE}/split`, { body: {}, headers: { "idempotency-key": "k-2" } });
    const [first, second] = [await ask(), await ask()];
    assert.deepEqual([first.status, second.status, second.text], [400, 400, first.text]);
    assert.equal(second.headers["idempotency-hit"], "true");
  });

  it("made twice at once, a key is made once", async () => {
    const before = (await client.keys()).length;
    const body = { kind: "secret", name: "racing", scopes: ["read"] };
    const replies = await Promise.all(
      times(16, () => client.ask("POST", "/v1/keys", { body, headers: { "idempotency-key": "k-3" } })),
    );
    const texts = new Set(replies.filter(({ status }) => status === 201).map(({ text }) => text));
    assert.equal(texts.size, 1);
    for (const reply of replies.filter(({ status }) => status !== 201)) reply.refused(409, "idempotency_in_flight");
    assert.equal((await client.keys()).length, before + 1);
  });

  it("must be of a length that can be kept", async () => {
    (await correct("k".repeat(256), "Lyon")).refused(400, "bad_idempotency_key");
  });
});

describe("what a newcomer gets wrong", () => {
  const long = (bytes: number): string => "x".repeat(bytes);
  const traits = { city: "Lyon" };
  // Method, path, body, then the code, the field and what the words must name: what is wrong, the limit, the way out.
  const cases: [string, string, unknown, string, string | undefined, RegExp][] = [
    ["POST", `${ZOE}/corrections`, undefined, "missing_body", undefined, /traits author/],
    ["POST", `${ZOE}/corrections`, [], "not_an_object", undefined, /object/],
    ["POST", `${ZOE}/corrections`, {}, "bad_member", "traits", /object/],
    ["POST", `${ZOE}/corrections`, { traits: {} }, "bad_traits", "traits", /at least one/],
    ["POST", `${ZOE}/corrections`, { trait: traits }, "unknown_member", "trait", /mean "traits"/],
    ["POST", `${ZOE}/corrections`, { traits, auther: "ana" }, "unknown_member", "auther", /mean "author"/],
    ["POST", `${ZOE}/corrections`, { traits, author: 7 }, "not_text", "author", /text/],
    ["POST", `${ZOE}/corrections`, { traits, author: long(257) }, "bad_author", "author", /256.*257/],
    ["POST", `${ZOE}/corrections`, { traits: { a: long(33_000) } }, "too_large", "traits", /32768/],
    [
      "POST",
      `${ZOE}/corrections`,
      { traits: Object.fromEntries(times(513, (index) => [`t${index}`, index])) },
      "too_many_traits",
      "traits",
      /512.*513/,
    ],
    ["POST", "/v1/customers/emial%3Azoe/corrections", { traits }, "bad_reference", "ref", /mean email/],
    ["POST", "/v1/customers/42/corrections", { traits }, "bad_reference", "ref", /c42/],
    ["POST", `${ZOE}/split`, {}, "bad_split", undefined, /exactly one.*0 are given/],
    ["POST", `${ZOE}/split`, { edge: "17x" }, "bad_member", "edge", /e12/],
    ["POST", `${ZOE}/split`, { identifier: "email" }, "bad_reference", "identifier", /type:value/],
    ["POST", `${ZOE}/split`, { identifier: "emial:x" }, "bad_reference", "identifier", /mean email/],
    ["POST", `${ZOE}/split`, { apart: ["user_id:zoe", "c1"] }, "bad_reference", "apart[1]", /type:value/],
    ["POST", `${ZOE}/split`, { apart: ["user_id:zoe", "user_id:zoe"] }, "not_connected", "apart", /one identifier/],
    ["POST", `${ZOE}/split`, { edge: "e1", reson: "x" }, "unknown_member", "reson", /mean "reason"/],
    ["POST", `${ZOE}/split`, { edge: "e1", reason: long(1025) }, "bad_reason", "reason", /1024.*1025/],
    [
      "DELETE",
      `${ZOE}?supress=true`,
      undefined,
      "unknown_parameter",
      "supress",
      /mean "suppress".*Nothing was changed/,
    ],
    ["DELETE", `${ZOE}?suppress=yes`, undefined, "bad_parameter", "suppress", /true or false/],
    ["PUT", "/v1/identity/rules?dryrun=true", { rules: {} }, "unknown_parameter", "dryrun", /mean "dry_run"/],
    ["PUT", "/v1/identity/rules", { types: {} }, "unknown_member", "types", /rules/],
    ["POST", "/v1/identity/allow", { a: "user_id:zoe", b: "c1" }, "bad_reference", "b", /type:value/],
    ["POST", "/v1/sources", { name: "" }, "bad_member", "name", /1 to 256/],
    ["POST", "/v1/sources", { name: long(257) }, "bad_name", "name", /256.*257/],
    ["POST", "/v1/sources", { name: "a", region: "France" }, "bad_region", "region", /FR/],
    ["POST", "/v1/sources", { name: "a", user_id_type: "pos-id" }, "unknown_type", "user_id_type", /rules show/],
    ["POST", "/v1/sources", { name: "a", prioritty: 5 }, "unknown_member", "prioritty", /mean "priority"/],
    ["POST", "/v1/keys", { kind: "secret", scopes: ["fly"] }, "unknown_scope", "scopes", /read.*fly/],
    ["POST", "/v1/keys", { kind: "secret", scopes: ["read", 7] }, "bad_member", "scopes", /list/],
    ["POST", "/v1/keys", { kind: "secret", scopes: "" }, "bad_member", "scopes", /list/],
    ["POST", "/v1/keys", { kind: "secret", scopes: [] }, "bad_member", "scopes", /list/],
    ["POST", "/v1/keys", { kind: "write", source: "web", scopes: ["read"] }, "bad_member", "scopes", /only collect/],
    ["POST", "/v1/keys", { kind: "write", source: "wep" }, "bad_member", "source", /\/v1\/sources/],
    ["POST", "/v1/keys", { kind: "secret", scopes: "read", name: long(257) }, "bad_name", "name", /256.*257/],
    ["POST", `${ZOE}/corrections`, long(5_000_000), "too_large", undefined, /4194304/],
  ];
  for (const [method, path, body, code, field, words] of cases) {
    const shown = typeof body === "string" ? "5 MB" : (JSON.stringify(body) ?? "").slice(0, 60);
    it(`${method} ${path} ${shown}: ${code}`, async () => {
      const reply = await client.ask(method, path, body === undefined ? {} : { body: body as object | string });
      const problem = reply.refused(400, code, words);
      assert.equal(problem.field, field);
    });
  }

  it("changes nothing", async () => {
    assert.ok(await client.find("user_id:zoe"));
    assert.ok(!(await client.sources()).some(({ name }) => name === "a"));
  });
});

describe("addresses and methods", () => {
  it("an unknown address is 404, an unknown method 405 with those that are", async () => {
    (await client.get("/v1/nothing")).refused(404, "no_route");
    const reply = await client.ask("PATCH", ZOE, { body: {} });
    reply.refused(405, "method_not_allowed", /GET/);
    assert.match(reply.headers.allow ?? "", /GET.*DELETE|DELETE.*GET/);
    (await client.get("/v1/track")).refused(405, "method_not_allowed", /POST/);
  });

  it("the clock does not exist without --test-clock", async () => {
    assert.equal((await client.get("/v1/clock")).status, 404);
  });

  it("a parameter given twice, or badly escaped, is told", async () => {
    (await client.get("/v1/customers?q=a&q=b")).refused(400, "duplicate_parameter");
    assert.equal((await client.get("/v1/customers/%zz")).status, 400);
  });

  it("every documented operation exists", async () => {
    for (const operation of openApi().operations()) {
      const [method = "", path = ""] = operation.split(" ");
      if (path === "/v1/clock") continue;
      const reply = await client.ask(method, path.replace(/\{\w+\}/g, "x"), {
        key: null,
        ...(method === "GET" ? {} : { body: {} }),
      });
      assert.ok(![405, 501].includes(reply.status), operation);
      assert.notEqual(reply.status === 404 ? reply.json<{ code: string }>().code : "", "no_route", operation);
    }
  });

  it("the bare address is a page for a person", async () => {
    const reply = await client.ask("GET", "/", { key: null });
    assert.equal(reply.status, 200);
    assert.match(reply.headers["content-type"] ?? "", /^text\/html/);
  });

  it("answers are not to be kept by caches", async () => {
    assert.match((await client.get("/v1/stats")).headers["cache-control"] ?? "", /no-store/);
  });
});
