// The identity rules: a document that is read, tried, changed and kept in versions.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Rules } from "../lib/documents.ts";
import { identify, track } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

async function edited(change: (rules: Rules["rules"]) => void): Promise<Rules["rules"]> {
  const { rules } = await client.rules();
  change(rules);
  return rules;
}

describe("identity rules", () => {
  it("begin with the defaults, as version 1", async () => {
    const { version, rules } = await client.rules();
    assert.equal(version, 1);
    assert.equal(rules.types["user_id"]?.["limit"], 1);
    assert.equal(rules.types["email"]?.["limit"], 5);
    assert.equal(rules.types["phone"]?.["shares"], true);
    assert.deepEqual(rules.priority.slice(0, 2), ["user_id", "loyalty_card"]);
    assert.ok(rules.blocked.includes("undefined"));
  });

  it("what was read can be written back, as a new version with its author", async () => {
    const before = await client.rules();
    assert.equal(await client.putRules(before.rules, "zoe"), 2);
    const now = await client.rules();
    assert.deepEqual([now.version, now.author, now.rules], [2, "zoe", before.rules]);
    assert.ok(now.changed_at);
    assert.deepEqual((await client.rules(1)).rules, before.rules);
    (await client.get("/v1/identity/rules", { version: 99 })).refused(404, "no_rules");
  });

  it("a new type identifies from the next event on", async () => {
    await sender.takeAll([track({ anonymousId: "rules-a" }, "Scanned", { member_no: "M-77" })]);
    assert.equal((await client.get("/v1/customers/member_no%3AM-77")).status, 400);
    await client.putRules(
      await edited(
        (rules) => (rules.types["member_no"] = { class: "person", limit: 1, paths: ["properties.member_no"] }),
      ),
    );
    await sender.takeAll([
      track({ anonymousId: "rules-a" }, "Scanned", { member_no: "M-77" }, { timestamp: "2026-01-01T00:00:00Z" }),
    ]);
    assert.equal((await client.customer("member_no:M-77")).id, (await client.customer("anonymous_id:rules-a")).id);
  });

  it("a value blocked by a pattern of its type names nobody", async () => {
    await client.putRules(await edited((rules) => ((rules.types["email"] ??= {})["blocked"] = ["^noreply@"])));
    await sender.takeAll([
      identify({ userId: "blocked-1" }, { email: "noreply@exemple.fr" }),
      identify({ anonymousId: "blocked-2" }, { email: "noreply@exemple.fr" }),
    ]);
    assert.notEqual(
      (await client.customer("user_id:blocked-1")).id,
      (await client.customer("anonymous_id:blocked-2")).id,
    );
    const { refused } = await client.identity("user_id:blocked-1");
    assert.ok(
      refused.some(({ reason }) => reason === "blocked"),
      JSON.stringify(refused),
    );
  });

  it("can be tried first: what would be joined and parted, and nothing changes", async () => {
    const stats = await client.stats();
    const { version } = await client.rules();
    await sender.takeAll([
      identify({ userId: "try-1" }, { email: "try@exemple.fr" }),
      identify({ userId: "try-2" }, { email: "try@exemple.fr" }),
    ]);
    const trial = await client.tryRules(await edited((rules) => ((rules.types["user_id"] ??= {})["limit"] = 2)));
    assert.equal(trial.customers_now, stats.customers + 2);
    assert.equal(trial.customers_then, trial.customers_now - 1);
    assert.equal((await client.rules()).version, version);
    assert.notEqual((await client.customer("user_id:try-1")).id, (await client.customer("user_id:try-2")).id);
  });

  it("put in force, they decide later events", async () => {
    await client.putRules(await edited((rules) => ((rules.types["user_id"] ??= {})["limit"] = 2)));
    await sender.takeAll([
      identify({ userId: "limit-1" }, { email: "limit@exemple.fr" }),
      identify({ userId: "limit-2" }, { email: "limit@exemple.fr" }),
    ]);
    assert.equal((await client.customer("user_id:limit-1")).id, (await client.customer("user_id:limit-2")).id);
  });

  it("a document that is no good is refused with the place and the nearest name", async () => {
    const { version, rules } = await client.rules();
    const put = (body: object): Promise<import("../lib/client.ts").Reply> =>
      client.ask("PUT", "/v1/identity/rules", { body });
    const typo = (await put({ rules: { ...rules, tipes: {} } })).refused(400, "unknown_member", /types/);
    assert.equal(typo.field, "tipes");
    (await put({ rules: { types: { email: { limit: 0 } } } })).refused(400, "out_of_range");
    (await put({ rules: { types: { email: { form: "mail" } } } })).refused(400, "unknown_word", /email/);
    (await put({ types: {} })).refused(400, "unknown_member", /It takes: rules/);
    assert.equal((await client.rules()).version, version);
  });
});
