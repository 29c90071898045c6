// Who is who, from simple to complex.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, it } from "node:test";
import { alias, chunks, identify, page, times, track } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

async function idOf(reference: string): Promise<string> {
  return (await client.customer(reference)).id;
}

async function sameCustomer(...references: string[]): Promise<void> {
  const ids = await Promise.all(references.map(idOf));
  assert.equal(new Set(ids).size, 1, `${references.join()} are ${ids.join()}`);
}

async function differentCustomers(...references: string[]): Promise<void> {
  const ids = await Promise.all(references.map(idOf));
  assert.equal(new Set(ids).size, references.length, `${references.join()} are ${ids.join()}`);
}

describe("one person", () => {
  it("who visits, then signs in, is one customer with the earlier visits", async () => {
    const anonymousId = randomUUID();
    await sender.takeAll([page({ anonymousId }), track({ anonymousId }, "Product Viewed")]);
    await sender.takeAll([identify({ userId: "lea", anonymousId }, { firstName: "Léa" })]);
    await sender.takeAll([track({ anonymousId }, "Order Completed", { total: 12 })]);
    await sameCustomer("user_id:lea", `anonymous_id:${anonymousId}`);
    const names = (await client.allEvents("user_id:lea")).map((event) => event.name);
    assert.equal(names.length, 4);
    assert.ok(names.includes("Product Viewed") && names.includes("Order Completed"), names.join());
    assert.equal((await client.customer("user_id:lea")).traits["firstName"], "Léa");
  });

  it("keeps her id when she signs in on a second device, and gets its visits", async () => {
    const id = await idOf("user_id:lea");
    const anonymousId = randomUUID();
    await sender.takeAll([page({ anonymousId })]);
    await sender.takeAll([identify({ userId: "lea", anonymousId })]);
    assert.equal(await idOf(`anonymous_id:${anonymousId}`), id);
    assert.equal((await client.customer("user_id:lea")).trace.events, 6);
  });

  it("two identifiers on one event join their customers; the older id stays and the other leads to it", async () => {
    await sender.takeAll([identify({ userId: "marc" }, { plan: "gold" })]);
    await sender.takeAll([identify({}, { email: "marc@exemple.fr", city: "Lyon" })]);
    const [older, younger] = [await idOf("user_id:marc"), await idOf("email:marc@exemple.fr")];
    assert.notEqual(older, younger);
    await sender.takeAll([identify({ userId: "marc" }, { email: " Marc@Exemple.FR " })]);
    await sameCustomer("user_id:marc", "email:marc@exemple.fr");
    const customer = await client.customer(younger);
    assert.equal(customer.id, older);
    assert.deepEqual([customer.traits["plan"], customer.traits["city"]], ["gold", "Lyon"]);
    assert.ok(customer.trace.aliases.includes(younger));
    assert.equal(customer.trace.events, 3);
  });

  it("is found by a phone number however it is written", async () => {
    await sender.takeAll([identify({ userId: "phone-1" }, { phone: "06 12 34 56 70" })]);
    await sameCustomer("user_id:phone-1", "phone:+33612345670", "phone:06.12.34.56.70");
  });

  it("is found by her loyalty card, from a purchase at the till", async () => {
    await sender.takeAll([identify({ userId: "card-1" }, { loyalty_card: "C-0042" })]);
    await sender.takeAll([track({}, "Order Completed", { loyalty_card: "C-0042", total: 20 })]);
    assert.equal((await client.customer("loyalty_card:C-0042")).trace.events, 2);
  });

  it("keeps a value that is no address, and is not found by it", async () => {
    await sender.takeAll([identify({ userId: "malformed" }, { email: "not an address" })]);
    const identity = await client.identity("user_id:malformed");
    assert.ok(
      identity.refused.some((refusal) => refusal.reason === "malformed"),
      JSON.stringify(identity.refused),
    );
    assert.equal((await client.customer("user_id:malformed")).traits["email"], "not an address");
  });
});

describe("two people", () => {
  it("with two user ids stay two, whatever they share", async () => {
    await sender.takeAll([identify({ userId: "anna" }, { email: "home@exemple.fr" })]);
    await sender.takeAll([identify({ userId: "bruno" }, { email: "home@exemple.fr" })]);
    await differentCustomers("user_id:anna", "user_id:bruno");
    const why = await client.explain("user_id:anna", "user_id:bruno");
    assert.equal(why.same, false);
    assert.equal(why.customers.length, 2);
    const refused = (await client.identity("user_id:bruno")).refused;
    assert.ok(
      refused.some(({ reason }) => reason === "limit"),
      JSON.stringify(refused),
    );
  });

  it("a family's phone with different first names melts nobody", async () => {
    const phone = "+33612345671";
    const family = ["Paul", "Jeanne", "Émile"];
    for (const firstName of family) {
      await sender.takeAll([
        identify({}, { phone, firstName, email: `${firstName.normalize("NFD")[0]}@famille.exemple` }),
      ]);
    }
    await differentCustomers("email:P@famille.exemple", "email:J@famille.exemple", "email:E@famille.exemple");
    const before = (await client.stats()).customers;
    await sender.takeAll([identify({}, { phone, firstName: "Jeanne", email: "j@famille.exemple" })]);
    assert.equal((await client.stats()).customers, before);
    for (const letter of ["p", "j", "e"]) {
      const { traits } = await client.customer(`email:${letter}@famille.exemple`);
      assert.equal(traits["phone"], phone, "it is contact data of each");
    }
    const why = await client.explain("email:p@famille.exemple", "email:j@famille.exemple");
    assert.equal(why.same, false);
    assert.match(why.sentence, /names|shared|different/i);
  });

  it("one phone, one first name: one customer", async () => {
    const phone = "+33612345672";
    await sender.takeAll([identify({ userId: "same-name" }, { firstName: "Inès", phone })]);
    await sender.takeAll([identify({}, { firstName: "INES", email: "ines@exemple.fr", phone })]);
    await sameCustomer("user_id:same-name", "email:ines@exemple.fr");
  });

  it("different birth dates tell twins of one phone and name apart", async () => {
    const phone = "+33612345673";
    await sender.takeAll([identify({ userId: "old-jean" }, { firstName: "Jean", birthday: "1950-02-01", phone })]);
    await sender.takeAll([
      identify(
        { userId: "", anonymousId: "jeans-tab" },
        { firstName: "Jean", birthday: "1980-02-01", email: "jean@exemple.fr", phone },
      ),
    ]);
    await differentCustomers("user_id:old-jean", "email:jean@exemple.fr");
  });
});

describe("values that name nobody", () => {
  for (const value of [
    "undefined",
    "NULL",
    "0",
    "-1",
    "Anonymous",
    "guest",
    "unknown",
    "[object Object]",
    "nan",
    "none",
    "aaaaaaa",
    "000000",
  ]) {
    it(`userId ${JSON.stringify(value)}`, async () => {
      const [a, b] = [randomUUID(), randomUUID()];
      await sender.takeAll([
        track({ userId: value, anonymousId: a }, "Viewed"),
        track({ userId: value, anonymousId: b }, "Viewed"),
      ]);
      await differentCustomers(`anonymous_id:${a}`, `anonymous_id:${b}`);
      const { identifiers } = await client.customer(`anonymous_id:${a}`);
      assert.deepEqual(
        identifiers.map(({ type }) => type),
        ["anonymous_id"],
      );
    });
  }

  it('1,000 people whose site sent userId "undefined" stay 1,000 customers', async () => {
    const before = (await client.stats()).customers;
    const batch = times(1000, (index) => identify({ userId: "undefined" }, { email: `undefined-${index}@exemple.fr` }));
    for (const part of chunks(batch, 250)) await sender.takeAll(part);
    assert.equal((await client.stats()).customers - before, 1000);
    await differentCustomers("email:undefined-0@exemple.fr", "email:undefined-999@exemple.fr");
    assert.equal((await client.get("/v1/customers/user_id%3Aundefined")).status, 404);
  });

  it("1,000 people who all signed in on one shared tablet stay 1,000 customers", async () => {
    const before = (await client.stats()).customers;
    const anonymousId = "tablet-of-the-shop";
    const batch = times(1000, (index) =>
      identify({ userId: `tablet-${index}`, anonymousId }, { email: `tablet-${index}@exemple.fr` }),
    );
    for (const part of chunks(batch, 250)) await sender.takeAll(part);
    await sender.takeAll([track({ anonymousId }, "Product Viewed")]);
    const people = (await client.stats()).customers - before;
    assert.ok(people === 1000 || people === 1001, `${people}: the tablet itself may be one more`);
    const customers = await Promise.all(times(10, (index) => client.customer(`user_id:tablet-${index * 111}`)));
    for (const { trace, identifiers } of customers) {
      assert.equal(trace.events, 1);
      assert.equal(identifiers.filter(({ type }) => type === "email").length, 1);
    }
  });

  it('both at once: userId "undefined" on one tablet, and still 1,000', async () => {
    const before = (await client.stats()).customers;
    const anonymousId = "tablet-of-the-hall";
    const batch = times(1000, (index) =>
      identify({ userId: "undefined", anonymousId }, { email: `hall-${index}@exemple.fr` }),
    );
    for (const part of chunks(batch, 250)) await sender.takeAll(part);
    const people = (await client.stats()).customers - before;
    assert.ok(people === 1000 || people === 1001, `${people}: the tablet itself may be one more`);
  });
});

describe("alias", () => {
  it("of a known anonymous id gives its visits to the user", async () => {
    const anonymousId = randomUUID();
    await sender.takeAll([page({ anonymousId }), page({ anonymousId })]);
    await sender.takeAll([alias("aliased", anonymousId)]);
    const events = await client.allEvents("user_id:aliased");
    assert.equal(events.filter(({ type }) => type === "page").length, 2);
  });

  it("in the same batch as the visits gives them too", async () => {
    const anonymousId = randomUUID();
    await sender.takeAll([page({ anonymousId }), alias("aliased-at-once", anonymousId)]);
    assert.equal((await client.allEvents("user_id:aliased-at-once")).length, 2);
  });

  it("of one user id to another needs a server's key", async () => {
    await sender.takeAll([identify({ userId: "old-number" }, { city: "Nantes" }), identify({ userId: "new-number" })]);
    await sender.batch([alias("new-number", "old-number")]);
    await differentCustomers("user_id:old-number", "user_id:new-number");
    await client.takeAll([alias("new-number", "old-number")]);
    await sameCustomer("user_id:old-number", "user_id:new-number");
    assert.equal((await client.customer("user_id:new-number")).traits["city"], "Nantes");
  });
});

describe("explain", () => {
  it("one customer: the path of events that joined the two", async () => {
    await sender.takeAll([identify({ userId: "path-1", anonymousId: "path-tab" }, { email: "path@exemple.fr" })]);
    await sender.takeAll([identify({ userId: "path-1" }, { loyalty_card: "P-1" })]);
    const why = await client.explain("email:path@exemple.fr", "loyalty_card:P-1");
    assert.equal(why.same, true);
    assert.equal(why.path.length, 2);
    assert.match(why.sentence, /one customer/);
  });

  it("strangers: no event ever carried both", async () => {
    await sender.takeAll([identify({ userId: "stranger-1" }), identify({ userId: "stranger-2" })]);
    const why = await client.explain("user_id:stranger-1", "user_id:stranger-2");
    assert.deepEqual([why.same, why.path], [false, []]);
    assert.match(why.sentence, /two customers/);
  });

  it("customers by their ids, also by one that became another's", async () => {
    await sender.takeAll([identify({ userId: "by-id" }), identify({}, { loyalty_card: "BY-ID" })]);
    const [older, younger] = [await client.customer("user_id:by-id"), await client.customer("loyalty_card:BY-ID")];
    const before = await client.explain(older.id, younger.id);
    assert.deepEqual([before.same, before.customers], [false, [older.id, younger.id]]);
    await sender.takeAll([identify({ userId: "by-id" }, { loyalty_card: "BY-ID" })]);
    const why = await client.explain(older.id, younger.id);
    assert.deepEqual([why.same, why.customers, why.path.length], [true, [older.id], 1]);
    assert.match((await client.explain(older.id, "user_id:by-id")).sentence, /began with user_id:by-id/);
    assert.match((await client.explain("c999999", older.id)).sentence, /no customer/);
  });

  it("unknown and unreadable identifiers", async () => {
    const why = await client.explain("user_id:stranger-1", "user_id:never-seen");
    assert.equal(why.same, false);
    assert.match(why.sentence, /never been seen/);
    (await client.get("/v1/identity/explain", { a: "mail:x@y.fr", b: "user_id:1" })).refused(400, "bad_reference");
    (await client.get("/v1/identity/explain", { a: "user_id:1" })).expect(400);
  });
});

describe("references", () => {
  it("an unknown type names the known ones; an unknown value is 404", async () => {
    (await client.get("/v1/customers/mail%3Ax%40y.fr")).refused(400, "bad_reference", /email/);
    (await client.get("/v1/customers/nobody")).expect(400);
    (await client.get("/v1/customers/email%3Anobody%40exemple.fr")).refused(404, "no_customer");
    (await client.get("/v1/customers/c999999999")).refused(404, "no_customer");
  });
});
