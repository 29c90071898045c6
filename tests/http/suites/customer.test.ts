// Customers as people and programs see them: the record, the timeline, the search, the catalogue.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { identify, page, times, track } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const NOW = "2026-11-22T12:00:00.000Z";

const site = await openSite({ args: ["--test-clock", NOW] });
const { client, sender } = site;
after(() => site.close());

const day = (number: number): string =>
  new Date(Date.parse("2026-10-01T09:00:00Z") + number * 86_400_000).toISOString();

describe("the record", () => {
  it("shows identifiers, traits and where they came from", async () => {
    const who = { userId: "zoe" };
    const traits = {
      email: "Zoé.Müller@Exemple.fr",
      firstName: "Zoé",
      vip: true,
      score: 12.75,
      tags: ["a", "b"],
      address: { city: "Paris" },
    };
    await sender.takeAll([
      identify(who, traits, { timestamp: day(1) }),
      track(who, "Order Completed", {}, { timestamp: day(3) }),
    ]);
    const customer = await client.customer("user_id:zoe");
    assert.deepEqual(customer.traits, { ...traits });
    assert.deepEqual(customer.identifiers.map(({ type }) => type).sort(), ["email", "user_id"]);
    assert.equal(customer.trace.events, 2);
    assert.equal(new Date(String(customer.trace["first_event_at"])).toISOString(), day(1));
    assert.equal(new Date(String(customer.trace["last_event_at"])).toISOString(), day(3));
    assert.deepEqual(Object.keys(customer.traits), Object.keys(customer.traits).toSorted());
  });

  it("is found by its own id and by any identifier, however it is written", async () => {
    const { id } = await client.customer("user_id:zoe");
    for (const reference of [id, "email:zoé.müller@exemple.fr", "email:ZOÉ.MÜLLER@EXEMPLE.FR"]) {
      assert.equal((await client.customer(reference)).id, id);
    }
  });

  it("is the same to the byte as long as nothing happens", async () => {
    const [one, two] = [
      await client.get("/v1/customers/user_id%3Azoe"),
      await client.get("/v1/customers/user_id%3Azoe"),
    ];
    assert.equal(one.text, two.text);
  });
});

describe("the timeline", () => {
  const who = { userId: "timeline" };
  const count = 450;

  it("is newest first, in pages, each event once", async () => {
    const batch = times(count, (index) =>
      track(who, index % 3 === 0 ? "Order Completed" : "Product Viewed", { index }, { timestamp: day(index / 10) }),
    );
    await sender.takeAll(batch.toSorted((a, b) => (a.messageId ?? "").localeCompare(b.messageId ?? "")));
    const all = await client.allEvents("user_id:timeline", 70);
    assert.deepEqual(
      all.map((event) => event.properties?.["index"]),
      times(count, (index) => count - 1 - index),
    );
    assert.equal(new Set(all.map(({ id }) => id)).size, count);
  });

  it("can be asked by name and by time", async () => {
    const orders = await client.events("user_id:timeline", { name: "Order Completed", limit: 1000 });
    assert.equal(orders.items.length, count / 3);
    const { items } = await client.events("user_id:timeline", { from: day(10), to: day(20), limit: 1000 });
    assert.deepEqual(
      items.map((event) => event.properties?.["index"]),
      times(100, (index) => 199 - index),
    );
    const both = await client.events("user_id:timeline", {
      name: "Order Completed",
      from: day(10),
      to: day(11),
      limit: 1000,
    });
    assert.deepEqual(
      both.items.map((event) => event.properties?.["index"]),
      [108, 105, 102],
    );
    assert.deepEqual((await client.events("user_id:timeline", { name: "Never Seen" })).items, []);
  });

  it("a page begun before new events came goes on where it was", async () => {
    const first = await client.events("user_id:timeline", { limit: 10 });
    await sender.takeAll([page(who)]);
    const second = await client.events("user_id:timeline", { limit: 10, after: first.next ?? "" });
    assert.deepEqual(
      second.items.map((event) => event.properties?.["index"]),
      times(10, (index) => count - 11 - index),
    );
  });

  it("refuses a cursor, a time and a limit that are none", async () => {
    const path = "/v1/customers/user_id%3Atimeline/events";
    (await client.get(path, { after: "nonsense" })).refused(400, "bad_cursor");
    assert.equal((await client.get(path, { from: "yesterday" })).status, 400);
    for (const limit of ["0", "1001", "-1", "many"]) assert.equal((await client.get(path, { limit })).status, 400);
  });

  it("shows the message's own members", async () => {
    const context = { library: { name: "test", version: "1" }, campaign: { source: "mail" } };
    await sender.takeAll([
      track(
        { userId: "members" },
        "Paid",
        { total: "12.50", lines: [{ sku: "A1", price: 12.5 }] },
        { context, integrations: { All: true } },
      ),
    ]);
    const [event] = await client.allEvents("user_id:members");
    assert.deepEqual(event?.properties, { total: "12.50", lines: [{ sku: "A1", price: 12.5 }] });
    assert.deepEqual(event?.context, context);
    assert.deepEqual(
      [event?.name, event?.type, event?.identifiers],
      ["Paid", "track", [{ type: "user_id", value: "members" }]],
    );
  });
});

describe("search", () => {
  it("finds by name, with accents or without, by its beginning, with one typo", async () => {
    await sender.takeAll([
      identify(
        { userId: "s-1" },
        { firstName: "Élodie", lastName: "Lefèvre", email: "elodie@exemple.fr", phone: "+33612000001" },
      ),
      identify({ userId: "s-2" }, { firstName: "Élodie", lastName: "Martin", email: "em@exemple.fr" }),
      identify({ userId: "s-3" }, { name: "Baptiste Lefebvre", email: "bl@exemple.fr", loyalty_card: "C-9917" }),
    ]);
    const found = async (q: string): Promise<string[]> => {
      const items = await client.search(q);
      const records = await Promise.all(items.map(({ id }) => client.customer(id)));
      return records
        .map(({ identifiers }) => identifiers.find(({ type }) => type === "user_id")?.value ?? "")
        .toSorted();
    };
    assert.deepEqual(await found("élodie"), ["s-1", "s-2"]);
    assert.deepEqual(await found("elodie mart"), ["s-2"]);
    assert.deepEqual(await found("elodei lefevre"), ["s-1"]);
    assert.ok((await found("lefe")).includes("s-3"));
    assert.deepEqual(await found("em@ex"), ["s-2"]);
    assert.deepEqual(await found("C-99"), ["s-3"]);
    assert.deepEqual(await found("+336120000"), ["s-1"]);
    assert.deepEqual(await found("nobody at all"), []);
  });

  it("keeps to its limit, and needs something to look for", async () => {
    assert.equal((await client.search("élodie", 1)).length, 1);
    assert.equal((await client.get("/v1/customers")).status, 400);
    assert.equal((await client.get("/v1/customers", { q: "zoe", limit: 0 })).status, 400);
  });

  it("a name that was corrected is found by the new one only", async () => {
    await client.correct("user_id:s-2", { lastName: "Moreau" });
    assert.equal((await client.search("moreau")).length, 1);
    assert.ok(!(await client.search("martin")).some(({ name }) => name?.includes("Moreau")));
  });
});

describe("corrections", () => {
  it("win over every source until a newer one, and are part of the story", async () => {
    await sender.takeAll([identify({ userId: "corr" }, { firstName: "Jon", city: "Lyon" }, { timestamp: day(1) })]);
    const corrected = await client.correct("user_id:corr", { firstName: "John" }, "ana");
    assert.equal(corrected.traits["firstName"], "John");
    await sender.takeAll([identify({ userId: "corr" }, { firstName: "Jhon", city: "Paris" })]);
    const now = await client.customer("user_id:corr");
    assert.deepEqual([now.traits["firstName"], now.traits["city"]], ["John", "Paris"]);
    await client.holdClock("2026-11-22T12:00:01Z");
    await client.correct("user_id:corr", { firstName: "Jonathan" }, "leo");
    assert.equal((await client.customer("user_id:corr")).traits["firstName"], "Jonathan");
    assert.equal((await client.allEvents("user_id:corr")).filter(({ source }) => source === "correction").length, 2);
    assert.match(JSON.stringify(now.trace), /"author":"ana"/);
  });

  it("need an object of traits and a customer", async () => {
    const path = "/v1/customers/user_id%3Acorr/corrections";
    (await client.ask("POST", path, { body: { traits: ["a"] } })).refused(400, "bad_member");
    (await client.ask("POST", path, { body: {} })).refused(400, "bad_member");
    (await client.ask("POST", path.replace("corr/", "nobody/"), { body: { traits: { a: 1 } } })).refused(
      404,
      "no_customer",
    );
  });
});

describe("export", () => {
  it("holds the record, the identity and every event", async () => {
    const all = await client.export("user_id:timeline");
    const events = all["events"] as unknown[];
    assert.equal(events.length, count_of_timeline());
    assert.ok(all["customer"] && all["identity"] && all["exported_at"]);
  });
  const count_of_timeline = (): number => 451;
});

describe("the catalogue", () => {
  it("lists traits and events with their fill rate", async () => {
    const schema = await client.schema();
    const email = schema.traits.find(({ name }) => name === "email");
    assert.ok(email && email.personal && email.fill_rate > 0 && email.fill_rate <= 1, JSON.stringify(email));
    const orders = schema.events.find(({ name }) => name === "Order Completed");
    assert.equal(orders?.customers, 2);
    assert.equal(orders.count, 151);
    assert.equal(schema.customers, (await client.stats()).customers);
  });
});
