// Against abuse, as a till sees it: limits of cashiers and members with the limit and its end in the refusal, one's own
// card, and staff.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { times } from "../lib/message.ts";
import { CLUB, earned, scenario, type Evaluation } from "../lib/shop.ts";

const MORNING = "2026-03-02T09:00:00Z";
const GUARDED = {
  ...CLUB,
  staff: { who: 'traits.employee = "yes"', earn: "nothing" },
  limits: [
    { of: "member", what: "burn", per: "day", points: 100 },
    { of: "cashier", what: "earn", per: "hour", count: 3 },
    { of: "cashier", what: "adjust", per: "day", points: 50 },
  ],
};

describe("a limit", () => {
  scenario(
    "of a cashier is met however many tills ask at once, and frees with its hour",
    MORNING,
    GUARDED,
    async (shop, person) => {
      const people = times(20, () => person());
      const anna = { cashier: "anna" };
      const sales = await Promise.all(
        people.map((one, i) => shop.order(one, `o${i}`, [{ sku: "A", price: 10 }], anna)),
      );
      assert.equal(sales.filter(({ status }) => status === 200).length, 3);
      const denied = sales.find(({ status }) => status !== 200);
      const problem = denied?.refused(422, "CASHIER_LIMIT_REACHED");
      assert.equal(problem?.field, "limits[1]");
      assert.match(problem?.detail ?? "", /at most 3 times an hour, 3 so far; free again from 2026-03-02T10:00:00/);
      // Another cashier, and a web shop that has none, go on.
      assert.equal(earned(await shop.book(people[0] ?? "", "b1", 10, { cashier: "ben" })), 10);
      assert.equal(earned(await shop.book(people[0] ?? "", "w1", 10)), 10);
      // An order that comes back frees its place, in an offline batch as well.
      const booked = sales.findIndex(({ status }) => status === 200);
      (await shop.post(`/v1/loyalty/orders/o${booked}/cancel`)).expect();
      const items = times(2, (i) => ({
        order: shop.basket(people[1] ?? "", `t${i}`, [{ sku: "A", price: 10 }], anna),
      }));
      const batch = (await shop.post("/v1/loyalty/till/batch", { items })).expect<{
        items: { status: string; code?: string }[];
      }>();
      assert.deepEqual(
        batch.items.map(({ status, code }) => code ?? status),
        ["booked", "CASHIER_LIMIT_REACHED"],
      );
      await shop.clock("2026-03-02T10:00:00Z");
      assert.equal(earned(await shop.book(people[2] ?? "", "later", 10, anna)), 10);
    },
  );

  scenario("of a member is met by burning, captures and paying together", MORNING, GUARDED, async (shop, person) => {
    const zoe = person();
    await shop.book(zoe, "o1", 1000);
    (await shop.burn(zoe, 60)).expect();
    (await shop.burn(zoe, 41)).refused(422, "MEMBER_LIMIT_REACHED");
    const points = { pay: [{ points: { amount: 41 } }] };
    (await shop.order(zoe, "o2", [{ sku: "A", price: 10 }], points)).refused(422, "MEMBER_LIMIT_REACHED");
    const hold = (await shop.post("/v1/loyalty/points/hold", { customer: zoe, amount: 40 })).expect<{ hold: string }>();
    (await shop.post(`/v1/loyalty/holds/${hold.hold}/capture`, { amount: 40, cashier: "anna" })).expect();
    (await shop.burn(zoe, 1)).refused(422, "MEMBER_LIMIT_REACHED");
    assert.equal(await shop.active(zoe), 900);
    await shop.clock("2026-03-02T23:00:00Z"); // midnight in Paris
    (await shop.burn(zoe, 100)).expect();
  });
});

describe("staff", () => {
  scenario("book nothing on a card of their own, and earn nothing", MORNING, GUARDED, async (shop, person) => {
    const [staff, zoe] = [person("user_id:17"), person()];
    await shop.site.sender.takeAll([
      { type: "identify", userId: "17", messageId: "hired", traits: { employee: "yes" } },
    ]);
    const mine = { cashier: "17" };
    (await shop.order(staff, "o1", [{ sku: "A", price: 10 }], mine)).refused(422, "OWN_CARD");
    const asked = { customer: staff, amount: 10, reason: "a present", ...mine };
    (await shop.post("/v1/loyalty/points/adjust", asked)).refused(422, "OWN_CARD");
    const sale = await shop.book(staff, "o1", 10, { cashier: "18" });
    assert.deepEqual([earned(sale), sale.rejected[0]?.reason], [0, "STAFF_EARNS_NOTHING"]);
    const basket = { ...shop.basket(staff, "o2", [{ sku: "A", price: 10 }]), explain: true };
    const told = (await shop.post("/v1/loyalty/evaluate", basket)).expect<
      Evaluation & { explained: { rule: string; applied: boolean; reason?: string }[] }
    >();
    assert.deepEqual(
      told.explained.map(({ applied, reason }) => [applied, reason]),
      [[false, "STAFF_EARNS_NOTHING"]],
    );
    assert.equal(earned(await shop.book(zoe, "z1", 10, mine)), 10);
  });
});

interface Change {
  id: string;
  author: string;
  action: string;
  customer?: string;
  subject?: string;
  reason?: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}
type Changes = { items: Change[]; next: string | null };

describe("the audit", () => {
  scenario("tells who changed what, before and after, and no secret", MORNING, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", { id: "GIFT", programme: "club", discount: { credit: "50.00" } });
    await shop.code("GIFT", "GIFTCARD-2026-K7");
    await shop.book(zoe, "o1", 100);
    const camille = await shop.as("camille", ["write"]);
    const wish = { customer: zoe, amount: 50, reason: "late parcel", reference: "r1" };
    const given = (await camille.ask("POST", "/v1/loyalty/points/adjust", { body: wish })).expect<{ id: string }>();
    (await camille.ask("POST", "/v1/loyalty/points/adjust", { body: wish })).expect();
    (await camille.ask("POST", "/v1/loyalty/orders/o1/cancel")).expect();
    (await camille.ask("POST", "/v1/loyalty/codes/GIFTCARD-2026-K7/cancel", { body: { reason: "lost" } })).expect();
    (await shop.client.ask("DELETE", "/v1/loyalty/vouchers/GIFT")).expect();

    const page = (await shop.client.get("/v1/loyalty/audit", { author: "camille" })).expect<Changes>();
    assert.deepEqual(
      page.items.map(({ action }) => action),
      ["code.cancelled", "order.cancelled", "points.adjusted"],
    );
    const adjusted = page.items[2];
    assert.deepEqual([adjusted?.subject, adjusted?.reason], [given.id, "late parcel"]);
    assert.deepEqual([adjusted?.before?.["active"], adjusted?.after?.["active"]], [100, 150]);
    const archived = (await shop.client.get("/v1/loyalty/audit", { action: "voucher.archived" })).expect<Changes>();
    assert.deepEqual([archived.items[0]?.before?.["archived"], archived.items[0]?.after?.["archived"]], [false, true]);

    // All of it, a page of two at a time; nothing in it opens anything.
    const all: Change[] = [];
    for (let after: string | undefined; ;) {
      const reply = await shop.client.get("/v1/loyalty/audit", { limit: 2, after });
      assert.doesNotMatch(reply.text, /GIFTCARD/);
      const { items, next } = reply.expect<Changes>();
      all.push(...items);
      if (next === null) break;
      after = next;
    }
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
    assert.equal(all.length, 7); // the programme, the voucher put and archived, its code, and the three
  });
});

describe("a large adjustment", () => {
  scenario(
    "is decided on by another person, in time",
    MORNING,
    { ...CLUB, approval_above: 100, approval_expires: "2 days" },
    async (shop, person) => {
      const zoe = person();
      await shop.book(zoe, "o1", 1);
      const jo = await shop.as("jo", ["read", "write"]);
      const wish = { customer: zoe, amount: 500, reason: "a present" };
      const wait = async (): Promise<string> =>
        (await shop.post("/v1/loyalty/points/adjust", wish)).expect<{ approval: string }>().approval;
      const [first, second, third] = [await wait(), await wait(), await wait()];
      const path = (id: string): string => `/v1/loyalty/approvals/${id}`;
      (await shop.client.ask("DELETE", path(first))).refused(422, "SAME_PERSON");
      assert.deepEqual((await jo.ask("DELETE", path(first))).expect(), { approval: first, status: "refused" });
      (await jo.ask("POST", path(first))).refused(404, "no_approval");
      (await jo.ask("POST", path(second))).expect();
      assert.equal(await shop.active(zoe), 501);
      await shop.clock("2026-03-04T09:00:00Z");
      (await jo.ask("POST", path(third))).refused(422, "APPROVAL_EXPIRED");
      assert.deepEqual((await jo.get("/v1/loyalty/approvals")).expect(), { items: [] });
    },
  );
});
