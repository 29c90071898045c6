// Identity can be undone: two people who were joined part again, exactly as if they had never met.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Customer, Identity } from "../lib/documents.ts";
import { identify, times, track, type Message } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

/** The record without what tells of its past. */
async function proper(reference: string): Promise<string> {
  const { trace, updated_at, ...rest } = await client.customer(reference);
  (void trace, void updated_at);
  return JSON.stringify(rest);
}

async function idsOf(reference: string): Promise<string[]> {
  return (await client.allEvents(reference)).map(({ id }) => id);
}

/** Two people with three events each, then one event with identifiers of both. */
async function meet(name: string): Promise<{ ana: string; leo: string; both: Message }> {
  const ana = `user_id:ana-${name}`;
  const leo = `email:leo-${name}@exemple.fr`;
  const email = leo.slice("email:".length);
  await sender.takeAll([identify({ userId: `ana-${name}` }, { firstName: "Ana", city: "Lyon", size: 38 })]);
  await sender.takeAll([identify({}, { email, firstName: "Léo", city: "Brest", size: 44 })]);
  await sender.takeAll(times(2, (index) => track({ userId: `ana-${name}` }, "Order Completed", { total: 10 + index })));
  await sender.takeAll([identify({}, { email, plan: "club" })]);
  return { ana, leo, both: track({ userId: `ana-${name}` }, "Shared", {}, { context: { traits: { email } } }) };
}

async function activeEdge(reference: string): Promise<string> {
  const { edges } = await client.identity(reference);
  const active = edges.filter(({ state }) => state === "active");
  assert.equal(active.length, 1, JSON.stringify(edges));
  return active[0]?.id ?? "";
}

describe("merge then split", () => {
  const ways: [string, (names: { ana: string; leo: string }) => Promise<object>][] = [
    ["by edge", async ({ ana }) => ({ edge: await activeEdge(ana) })],
    ["by identifier", ({ leo }) => Promise.resolve({ identifier: leo })],
    ["by two identifiers", ({ ana, leo }) => Promise.resolve({ apart: [ana, leo] })],
  ];
  for (const [way, what] of ways) {
    it(`${way} gives both customers back to the byte`, async () => {
      const { ana, leo, both } = await meet(way.replaceAll(" ", "-"));
      const before = [await proper(ana), await proper(leo)];
      const events = [await idsOf(ana), await idsOf(leo)];
      await sender.takeAll([both]);
      assert.equal((await client.customer(ana)).id, (await client.customer(leo)).id);
      assert.equal((await idsOf(leo)).length, 6);
      const result = await client.split(ana, { ...(await what({ ana, leo })), author: "ana", reason: "two people" });
      assert.equal(result.customers.length, 2);
      assert.deepEqual([await proper(ana), await proper(leo)], before);
      assert.deepEqual(await idsOf(leo), events[1]);
      // The event that carried both belongs to the one of higher priority: the user id.
      assert.deepEqual(
        (await idsOf(ana)).filter((id) => events[0]?.includes(id)),
        events[0],
      );
      assert.equal((await idsOf(ana)).length, 4);
    });
  }
});

describe("after a split", () => {
  const name = "later";
  let ana = "";
  let leo = "";
  let both: Message;

  it("the next event with both does not join them again, and says why", async () => {
    ({ ana, leo, both } = await meet(name));
    await sender.takeAll([both]);
    await client.split(ana, { apart: [ana, leo] });
    await sender.takeAll([{ ...both, messageId: "both-again" }]);
    const ids = [(await client.customer(ana)).id, (await client.customer(leo)).id];
    assert.notEqual(ids[0], ids[1]);
    const why = await client.explain(ana, leo);
    assert.equal(why.same, false);
    assert.match(why.sentence, /parted/);
    const identity: Identity = await client.identity(ana);
    assert.ok(
      identity.refused.some(({ reason }) => reason === "cannot_link"),
      JSON.stringify(identity.refused),
    );
    assert.ok(identity.cannot_links.length > 0 && identity.history.length > 0);
  });

  it("old ids lead where they always led", async () => {
    const customer: Customer = await client.customer(leo);
    assert.equal((await client.customer(customer.id)).id, customer.id);
    assert.equal((await client.stats()).splits, 4);
  });

  it("lifting the cannot-link lets the next event join them", async () => {
    await client.allow(ana, leo);
    await sender.takeAll([{ ...both, messageId: "both-allowed" }]);
    assert.equal((await client.customer(ana)).id, (await client.customer(leo)).id);
    (await client.ask("POST", "/v1/identity/allow", { body: { a: ana, b: leo } })).expect(404);
  });

  it("a second split gives the same two again", async () => {
    await client.split(ana, { identifier: leo });
    const [one, two] = [await client.customer(ana), await client.customer(leo)];
    assert.deepEqual([one.traits["firstName"], two.traits["firstName"]], ["Ana", "Léo"]);
  });
});

describe("refusals", () => {
  it("nothing to part", async () => {
    await sender.takeAll([identify({ userId: "alone" })]);
    const path = "/v1/customers/user_id%3Aalone/split";
    (await client.ask("POST", path, { body: { identifier: "user_id:alone" } })).refused(400, "not_connected");
    (await client.ask("POST", path, { body: { edge: "e999999" } })).refused(404, "no_edge");
  });

  it("what to part must be said once", async () => {
    const path = "/v1/customers/user_id%3Aalone/split";
    (await client.ask("POST", path, { body: {} })).refused(400, "bad_split");
    (await client.ask("POST", path, { body: { edge: "e1", identifier: "user_id:alone" } })).refused(400, "bad_split");
    (await client.ask("POST", path, { body: { edge: "first" } })).refused(400, "bad_member");
    (await client.ask("POST", path, { body: { apart: ["user_id:alone"] } })).refused(400, "bad_member");
  });
});

describe("many events", () => {
  it("a customer of 3,000 events parts into what the two were", async () => {
    const one = times(1500, (index) => track({ userId: "heavy-one" }, "Viewed", { index }));
    const two = times(1500, (index) => track({}, "Viewed", { loyalty_card: "H-2", index }));
    await sender.takeAll([...one, ...two]);
    const before = [await proper("user_id:heavy-one"), await proper("loyalty_card:H-2")];
    await sender.takeAll([track({ userId: "heavy-one" }, "Met", { loyalty_card: "H-2" })]);
    assert.equal((await client.allEvents("user_id:heavy-one")).length, 3001);
    await client.split("user_id:heavy-one", { apart: ["user_id:heavy-one", "loyalty_card:H-2"] });
    assert.deepEqual([await proper("user_id:heavy-one"), await proper("loyalty_card:H-2")], before);
    assert.equal((await client.allEvents("user_id:heavy-one")).length, 1501);
    assert.equal((await client.allEvents("loyalty_card:H-2")).length, 1500);
  });
});
