// The right to be forgotten: a person goes for good, and nothing brings her back by accident.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { identify, times, track, type Message } from "../lib/message.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

function life(name: string): Message[] {
  const who = { userId: name, anonymousId: `tab-${name}` };
  const at = (day: number): { timestamp: string } => ({ timestamp: `2026-03-0${day}T10:00:00Z` });
  return [
    identify(who, { email: `${name}@exemple.fr`, firstName: "Odette", lastName: "Disparue" }, at(1)),
    ...times(5, (index) => track(who, "Order Completed", { total: index }, at(index + 2))),
  ];
}

async function gone(name: string): Promise<void> {
  for (const reference of [`user_id:${name}`, `email:${name}@exemple.fr`, `anonymous_id:tab-${name}`]) {
    assert.equal(await client.find(reference), undefined, reference);
  }
}

describe("erasure", () => {
  const messages = life("odette");

  it("gives a receipt, and nothing of her is left", async () => {
    await sender.takeAll(messages);
    const { id } = await client.customer("user_id:odette");
    const before = await client.stats();
    const receipt = await client.erase("user_id:odette");
    assert.deepEqual([receipt.customer, receipt.identifiers, receipt.events, receipt.suppressed], [id, 3, 6, false]);
    assert.ok(receipt.receipt && Date.parse(receipt.erased_at) > 0);
    await gone("odette");
    assert.equal((await client.get(`/v1/customers/${id}`)).status, 404);
    assert.deepEqual(await client.search("disparue"), []);
    const now = await client.stats();
    assert.deepEqual(
      [now.customers, now.events, now.erased],
      [before.customers - 1, before.events - 6, before.erased + 1],
    );
  });

  it("a retry of the same events does not bring her back", async () => {
    const report = await sender.batch(messages);
    assert.equal(report.taken, 0);
    await gone("odette");
  });

  it("an import of the same history does not, even under new message ids", async () => {
    const batch = messages.map((message, index) => ({ ...message, messageId: `import-${index}` }));
    (await client.ask("POST", "/v1/import", { body: { batch } })).expect();
    await gone("odette");
    const file = join(site.workspace.directory, "history.ndjson");
    await writeFile(file, batch.map((message) => JSON.stringify(message)).join("\n"));
    const result = await run(["import", file, "--url", site.server.url], {
      env: { RAPPORT_KEY: site.workspace.secret_key },
    });
    assert.equal(result.code, 0, result.stderr);
    await gone("odette");
  });

  it("a later event starts a new customer", async () => {
    await sender.takeAll([identify({ userId: "odette" }, { city: "Nice" })]);
    const customer = await client.customer("user_id:odette");
    assert.deepEqual([customer.trace.events, customer.traits], [1, { city: "Nice" }]);
  });

  it("with suppression refuses later events too", async () => {
    await sender.takeAll(life("never"));
    assert.equal((await client.erase("email:never@exemple.fr", { suppress: true })).suppressed, true);
    const asides = (await client.stats()).set_aside;
    const report = await sender.batch([
      identify({ userId: "never" }),
      identify({ anonymousId: "other" }, { email: "NEVER@exemple.fr" }),
    ]);
    assert.deepEqual(
      report.rejected.map(({ index, code }) => [index, code]),
      [
        [0, "suppressed"],
        [1, "suppressed"],
      ],
    );
    await gone("never");
    assert.equal((await client.stats()).set_aside, asides, "and keeps nothing of them");
  });

  it("of nobody is 404, and twice too", async () => {
    await sender.takeAll(life("twice"));
    await client.erase("user_id:twice");
    (await client.ask("DELETE", "/v1/customers/user_id%3Atwice")).refused(404, "no_customer");
  });

  it("leaves others who share a device as they were", async () => {
    await sender.takeAll([
      identify({ userId: "stays", anonymousId: "shared-tab" }, {}, { timestamp: "2026-01-01T00:00:00Z" }),
      identify({ userId: "leaves", anonymousId: "shared-tab" }, {}, { timestamp: "2026-01-02T00:00:00Z" }),
    ]);
    const before = await client.allEvents("user_id:stays");
    await client.erase("user_id:leaves");
    assert.deepEqual(await client.allEvents("user_id:stays"), before);
  });

  it("needs the scope of its own", async () => {
    const { key } = await client.makeKey({ kind: "secret", name: "crm", scopes: ["read", "write"] });
    (await client.ask("DELETE", "/v1/customers/user_id%3Astays", { key })).refused(403, "missing_scope", /erase/);
    (await client.ask("GET", "/v1/customers/user_id%3Astays/export", { key })).refused(403, "missing_scope");
  });
});
