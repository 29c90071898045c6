// Budgets of points shared by many members, payments that were abandoned, and what is refused without a trace.
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Reply } from "../lib/client.ts";
import { identify, times } from "../lib/message.ts";
import {
  CLUB,
  discounts,
  earned,
  scenario,
  type Evaluation,
  type Replayed,
  type Returned,
  type Shop,
} from "../lib/shop.ts";

const MARCH = "2026-03-01T09:00:00Z";
const QUIET = { ...CLUB, rules: [{ id: "unused", on: "Never Sent", earn: "1" }] };
const gift = (over: string): object => ({
  id: "gift",
  programme: "club",
  rules: [{ id: "paid", on: "Order Completed", earn: "floor(paid)" }],
  budget: { points: 10_000, member_points: 100, over },
});
const reasons = ({ rejected }: Evaluation): string[] => rejected.map(({ reason }) => reason);

describe("a budget of points", () => {
  for (const over of ["trim", "reject"]) {
    scenario(`of 10,000 pays 100 of 150 members (${over})`, MARCH, QUIET, async (shop, person) => {
      await shop.put("campaigns", gift(over));
      const people = times(150, () => person());
      const orders = await Promise.all(people.map((one, i) => shop.book(one, `o${i}`, 100)));
      const paid = orders.filter((order) => earned(order) === 100);
      assert.equal(paid.length, 100);
      const unpaid = orders.filter((order) => earned(order) === 0);
      assert.equal(unpaid.length, 50);
      for (const order of unpaid) assert.deepEqual(reasons(order), ["CAMPAIGN_LIMIT_REACHED"]);
      const owed = (await shop.client.get("/v1/loyalty/liability/club")).expect<{ currencies: { active: number }[] }>();
      assert.equal(owed.currencies[0]?.active, 10_000);
      // What is cancelled can be earned again, by somebody else.
      const first = orders.findIndex((order) => earned(order) === 100);
      (await shop.post(`/v1/loyalty/orders/o${first}/cancel`)).expect();
      const late = people[orders.findIndex((order) => earned(order) === 0)] ?? "";
      assert.equal(earned(await shop.book(late, "again", 100)), 100);
      const none = await shop.book(person(), "none", 100);
      assert.deepEqual([earned(none), reasons(none)], [0, ["CAMPAIGN_LIMIT_REACHED"]]);
    });

    scenario(`leaves each member 100 (${over})`, MARCH, QUIET, async (shop, person) => {
      const zoe = person();
      await shop.put("campaigns", gift(over));
      assert.equal(earned(await shop.book(zoe, "o1", 60)), 60);
      const second = await shop.book(zoe, "o2", 60);
      assert.equal(earned(second), over === "trim" ? 40 : 0);
      if (over === "reject") assert.deepEqual(reasons(second), ["CAMPAIGN_LIMIT_REACHED"]);
      (await shop.back("o1", "r1")).expect<Returned>();
      assert.equal(earned(await shop.book(zoe, "o3", 60)), 60);
      assert.equal(await shop.active(zoe), over === "trim" ? 100 : 60);
    });
  }
});

describe("a payment", () => {
  const once = { id: "ONCE", programme: "club", discount: { amount: "10.00" }, uses: { per_customer: 1 } };

  scenario("that is abandoned frees its code at once", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", once);
    await shop.code("ONCE", "ONCE");
    const use = { codes: ["ONCE"] };
    assert.deepEqual(discounts(await shop.book(zoe, "o1", 60, use)), [10]);
    const taken = await shop.book(zoe, "o2", 60, use);
    assert.deepEqual([discounts(taken), reasons(taken)], [[], ["CouponLimitReached"]]);
    (await shop.post("/v1/loyalty/orders/o1/cancel")).expect();
    assert.deepEqual(discounts(await shop.book(zoe, "o3", 60, use)), [10]);
    (await shop.post("/v1/loyalty/orders/o1/reopen")).refused(422, "REDEMPTION_CONFLICT");
    assert.equal(await shop.uses("ONCE"), 1);
    // Priced without the code it is an order like any other.
    assert.deepEqual(discounts(await shop.book(zoe, "o1-priced-anew", 60)), []);
    assert.equal(await shop.active(zoe), 60 + 50 + 60);
  });

  scenario("in two steps counts once", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", once);
    await shop.code("ONCE", "ONCE");
    const both = await Promise.all(
      times(2, () => shop.order(zoe, "o1", [{ sku: "A", price: 60 }], { codes: ["ONCE"] })),
    );
    const bodies = both.map((reply) => reply.expect<Evaluation | Replayed<Evaluation>>());
    for (const body of bodies) assert.deepEqual(discounts("replayed" in body ? body.reply : body), [10]);
    assert.equal(bodies.filter((body) => "replayed" in body).length, 1);
    assert.equal(await shop.uses("ONCE"), 1);
    assert.equal(await shop.active(zoe), 50);
  });
});

describe("a return that computes promotions again", () => {
  const ten = { id: "ten", on: "Order Completed", when: "total >= 50", discount: { amount: "10.00" } };
  const club = { ...CLUB, promotions_on_return: "reevaluate", rules: [...CLUB.rules, ten] };
  const lines = [
    { line_id: "1", sku: "A", price: 40 },
    { line_id: "2", sku: "B", price: 20 },
  ];
  const refund = async (shop: Shop, order: string, id: string, line?: string): Promise<number> => {
    const back = await shop.back(order, id, line === undefined ? undefined : [{ line_id: line }]);
    return back.expect<Returned>().refund.amount;
  };

  scenario("takes what the rest does not reach, by the documents of then", MARCH, club, async (shop, person) => {
    const zoe = person();
    assert.equal((await shop.book(zoe, "o1", lines)).totals.due, 50);
    assert.equal((await shop.book(zoe, "o2", lines)).totals.due, 50);
    // The same instant, and a later one.
    await shop.put("programmes", { ...club, rules: CLUB.rules, promotions_on_return: "keep" });
    assert.equal(await refund(shop, "o1", "r1", "2"), 10);
    assert.equal(await shop.active(zoe), 90);
    await shop.clock("2026-03-09T09:00:00Z");
    assert.equal(await refund(shop, "o2", "r2", "1"), 30);
    assert.equal(await refund(shop, "o2", "r3"), 20);
    assert.equal(await refund(shop, "o1", "r4"), 40);
    assert.equal(await shop.active(zoe), 0);
    const again = (await shop.back("o1", "r1", [{ line_id: "2" }])).expect<Replayed<Returned>>();
    assert.equal(again.reply.refund.amount, 10);
  });

  scenario("is the same for a shop that tells of it by event", MARCH, club, async (shop, person) => {
    const zoe = person();
    await shop.book(zoe, "o1", lines);
    await shop.tell(zoe, "Order Refunded", { order_id: "o1", return_id: "r1", products: [{ line_id: "2" }] });
    assert.equal(await shop.active(zoe), 40);
    assert.equal(await refund(shop, "o1", "r2"), 40);
    assert.equal(await shop.active(zoe), 0);
  });
});

/** Whatever a refusal or a trial could have changed. */
async function state(shop: Shop, people: string[], codes: string[]): Promise<string> {
  const { events, customers, set_aside } = await shop.client.stats();
  const members = await Promise.all(people.map((one) => shop.look(one)));
  const statements = await Promise.all(people.map((one) => shop.statement(one)));
  const used = await Promise.all(codes.map((code) => shop.client.get(`/v1/loyalty/codes/${code}`)));
  const timelines = await Promise.all(people.map((one) => shop.client.allEvents(one)));
  const seen = used.map((reply) => reply.text);
  return JSON.stringify([events, customers, set_aside, members, statements, seen, timelines]);
}

describe("what is refused", () => {
  const TRIALS = 1000;
  const ten = (id: string, more: object): object => ({
    id,
    programme: "club",
    discount: { amount: "10.00" },
    uses: { per_code: 1, total: 5, per_customer: 1 },
    budget: { money: "100.00" },
    ...more,
  });

  scenario(`and what is tried ${TRIALS} times costs nothing`, MARCH, CLUB, async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    await shop.site.sender.takeAll([identify({ userId: zoe.slice("user_id:".length) }, { country: "BE" })]);
    for (const one of [zoe, jo]) await shop.book(one, `start-${one}`, 500);
    const refusals = [
      ["FRENCH", { recipients: 'traits.country = "FR"' }, "CouponRecipientDoesNotMatch"],
      ["LATER", { valid: { from: "2026-03-02" } }, "CouponStartDateInFuture"],
      ["PERSONAL", { customer_needed: true }, "ProfileRequired"],
      ["STORE", { when: 'context.channel = "store"' }, "CouponRejectedByCondition"],
      ["LARGE", { minimum: "200.00" }, "minimum_not_reached"],
    ] as const;
    for (const [id, more] of refusals) {
      await shop.put("vouchers", ten(id, more));
      await shop.code(id, id);
    }
    await shop.put("vouchers", ten("GOOD", {}));
    await shop.code("GOOD", "GOOD");
    await shop.code("GOOD", "JOS-OWN", { customer: jo });
    await shop.put("campaigns", gift("trim"));
    const codes = [...refusals.map(([id]) => id), "GOOD", "JOS-OWN"];
    const before = await state(shop, [zoe, jo], codes);

    const cart = { order_id: "wanted", products: [{ sku: "A", price: 50 }] };
    for (const [id, , code] of refusals) {
      const customer = code === "ProfileRequired" ? {} : { customer: zoe };
      const looked = await shop.post("/v1/loyalty/codes/validate", { code: id, cart, ...customer });
      assert.deepEqual(
        [looked.expect<{ valid: boolean }>().valid, looked.json<{ reason: string }>().reason],
        [false, code],
      );
      (await shop.redeem(id, { cart, ...customer })).refused(422, code);
      const basket = { cart, ...customer, codes: [id] };
      const evaluation = (await shop.post("/v1/loyalty/evaluate", basket)).expect<Evaluation>();
      assert.deepEqual(
        evaluation.rejected.map((one) => [one.code, one.reason]),
        [[id, code]],
      );
    }
    (await shop.redeem("JOS-OWN", { cart, customer: zoe })).refused(422, "CouponRecipientDoesNotMatch");
    (await shop.redeem("NOBODYS", { cart, customer: zoe })).refused(422, "CouponNotFound");
    (await shop.burn(zoe, 100_000)).refused(422, "INSUFFICIENT_POINTS");
    assert.equal(await state(shop, [zoe, jo], codes), before);

    const wanted = { customer: zoe, cart, codes: ["GOOD"], pay: [{ points: { amount: 100 } }] };
    let tried: Reply | undefined;
    for (let i = 0; i < TRIALS / 20; i++)
      for (const reply of await Promise.all(times(20, () => shop.post("/v1/loyalty/evaluate", wanted)))) {
        tried ??= reply;
        assert.equal(reply.expect<unknown>() !== undefined && reply.text, tried.text);
      }
    assert.equal(await state(shop, [zoe, jo], codes), before);
    const booked = (await shop.post("/v1/loyalty/orders", wanted)).expect<Evaluation>();
    const { effects, rejected, totals } = tried?.json<Evaluation>() ?? { effects: [], rejected: [], totals: {} };
    assert.deepEqual([effects, rejected, totals], [booked.effects, booked.rejected, booked.totals]);
    assert.deepEqual([discounts(booked), earned(booked)], [[10], 39 + 39]);
  });
});
