// The identity rules: a document that is read, tried, changed and kept in versions.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Rerun, Rules } from "../lib/documents.ts";
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
    const { version } = await client.rules();
    const before = await client.tryRules((await client.rules()).rules);
    await sender.takeAll([
      identify({ userId: "try-1" }, { email: "try@exemple.fr" }),
      identify({ userId: "try-2" }, { email: "try@exemple.fr" }),
    ]);
    const trial = await client.tryRules(await edited((rules) => ((rules.types["user_id"] ??= {})["limit"] = 2)));
    assert.equal(trial.customers_now, before.customers_now + 2);
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

  it("a type keeps its class", async () => {
    const put = await client.ask("PUT", "/v1/identity/rules?dry_run=true", {
      body: { rules: { types: { anonymous_id: { class: "person" } } } },
    });
    assert.equal(put.refused(400, "class_changed").field, "types.anonymous_id.class");
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

describe("a re-run", () => {
  async function finished(): Promise<Rerun> {
    for (let tries = 0; tries < 200; tries++) {
      const state = await client.rerun();
      if (state.status !== "running") return state;
      await setTimeout(100);
    }
    throw new Error("the re-run does not end");
  }

  it("was never asked for, and there is nothing to stop", async () => {
    assert.deepEqual([(await client.rerun()).status, (await client.stopRerun()).status], ["never", "never"]);
  });

  it("does to what is stored what the trial said", async () => {
    await client.putRules({ types: {} } as unknown as Rules["rules"]);
    await sender.takeAll([
      identify({ userId: "rerun-1" }, { email: "rerun@exemple.fr" }),
      identify({ userId: "rerun-2" }, { email: "rerun@exemple.fr" }),
      identify({ userId: "rerun-3" }, { email: "rerun-a@exemple.fr" }),
      identify({ userId: "rerun-3" }, { email: "rerun-b@exemple.fr" }),
    ]);
    const rules = { types: { user_id: { limit: 2 }, email: { limit: 1 } } } as unknown as Rules["rules"];
    const trial = await client.tryRules(rules);
    const version = await client.putRules(rules);
    assert.notEqual((await client.customer("user_id:rerun-1")).id, (await client.customer("user_id:rerun-2")).id);
    const started = await client.startRerun("zoe");
    assert.deepEqual([started.version, started.in_force, started.author], [version, version, "zoe"]);
    const state = await finished();
    assert.deepEqual(
      [state.status, state.merged, state.parted, state.skipped],
      ["done", trial.would_merge, trial.would_part, 0],
    );
    assert.equal((await client.customer("user_id:rerun-1")).id, (await client.customer("user_id:rerun-2")).id);
    const parted = await client.identity("user_id:rerun-3");
    assert.ok(parted.refused.some(({ reason }) => reason === "limit"));
    const history = parted.history as unknown as { what: string; rules?: number }[];
    assert.ok(history.some(({ what, rules: by }) => what === "split" && by === version));
    const after = await client.tryRules(rules);
    assert.deepEqual([after.would_merge, after.would_part, after.customers_now], [0, 0, trial.customers_then]);
  });

  it("once more changes nothing", async () => {
    await client.startRerun();
    const state = await finished();
    assert.deepEqual([state.status, state.merged, state.parted], ["done", 0, 0]);
  });

  it("takes a body with an author, or none", async () => {
    (await client.ask("POST", "/v1/identity/rules/rerun", { body: [] })).refused(400, "not_an_object");
    (await client.ask("POST", "/v1/identity/rules/rerun", { body: { autor: "zoe" } })).refused(400, "unknown_member");
    (await client.ask("PUT", "/v1/identity/rules/rerun", { body: {} })).refused(405, "method_not_allowed");
  });
});
