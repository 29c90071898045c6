// Codes and cards at many tills at once, on the days and hours of their programme.
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Client, Reply } from "../lib/client.ts";
import { times } from "../lib/message.ts";
import { LONG } from "../lib/program.ts";
import { CLUB, discounts, scenario, type Code, type Returned } from "../lib/shop.ts";

const MARCH = "2026-03-01T09:00:00Z";
const ROUNDS = LONG ? 1000 : 100;
const CONNECTIONS = 50;
const off = (id: string, amount: string, more: object = {}): object => ({
  id,
  programme: "club",
  discount: { amount },
  ...more,
});
const won = (replies: Reply[]): Reply[] => replies.filter(({ status }) => status === 200);
function lost(replies: Reply[], code: string): void {
  for (const reply of replies) if (reply.status !== 200) reply.refused(422, code);
}

describe("codes", () => {
  scenario("of a single use are used once by tills and web shop", MARCH, CLUB, async (shop) => {
    await shop.put("vouchers", off("ONE", "10.00", { uses: { per_code: 1 } }));
    await shop.code("ONE", "SINGLE");
    const till = await shop.as("till 1", ["till"]);
    const web = await shop.as("web", ["read", "write"]);
    const use = (client: Client): Promise<Reply> =>
      client.ask("POST", "/v1/loyalty/codes/redeem", { body: { code: "SINGLE" } });
    const replies = await Promise.all(times(100, (i) => use(i % 2 === 0 ? till : web)));
    assert.equal(won(replies).length, 1);
    lost(replies, "quantity_exceeded");
    assert.equal(await shop.uses("SINGLE"), 1);
    till.close();
    web.close();
  });

  scenario("are used as often as they may be, each and together", MARCH, CLUB, async (shop) => {
    await shop.put("vouchers", off("MANY", "10.00", { uses: { per_code: 10 } }));
    await shop.put("vouchers", off("ALL", "10.00", { uses: { total: 10, per_code: 1 } }));
    await shop.code("MANY", "LIMITED");
    for (let i = 0; i < 9; i++) (await shop.redeem("LIMITED")).expect();
    const last = await Promise.all(times(2, () => shop.redeem("LIMITED")));
    assert.equal(won(last).length, 1);
    lost(last, "quantity_exceeded");
    assert.equal(await shop.uses("LIMITED"), 10);
    const made = await shop.post("/v1/loyalty/codes", { voucher: "ALL", count: 10 });
    const { codes } = made.expect<{ codes: Code[] }>();
    for (const { code } of codes) (await shop.redeem(code)).expect();
    await shop.code("ALL", "ELEVENTH");
    (await shop.redeem("ELEVENTH")).refused(422, "quantity_exceeded");
  });

  scenario(`have one winner of 100 on ${CONNECTIONS} connections, ${ROUNDS} times`, MARCH, CLUB, async (shop) => {
    await shop.put("vouchers", off("ONE", "10.00", { uses: { per_code: 1 } }));
    const clients = times(CONNECTIONS, () => shop.site.server.client());
    for (let round = 0; round < ROUNDS; round++) {
      const code = `ROUND-${round}`;
      await shop.code("ONE", code);
      const replies = await Promise.all(
        times(100, (i) =>
          (clients[i % CONNECTIONS] ?? shop.client).ask("POST", "/v1/loyalty/codes/redeem", { body: { code } }),
        ),
      );
      assert.equal(won(replies).length, 1, code);
      lost(replies, "quantity_exceeded");
      assert.equal(await shop.uses(code), 1);
    }
    for (const client of clients) client.close();
  });

  scenario("never take more than their budget of 1,000.00", MARCH, CLUB, async (shop, person) => {
    await shop.put("vouchers", off("TEN", "10.00", { budget: { money: "1000.00", over: "reject" } }));
    await shop.code("TEN", "TEN");
    const people = times(20, () => person());
    const orders = await Promise.all(
      times(200, (i) => shop.book(people[i % 20] ?? "", `o${i}`, 50, { codes: ["TEN"] })),
    );
    assert.equal(
      orders.flatMap(discounts).reduce((sum, amount) => sum + amount, 0),
      1000,
    );
    const none = orders.filter((order) => discounts(order).length === 0);
    assert.equal(none.length, 100);
    for (const { rejected } of none)
      assert.deepEqual(
        rejected.map(({ reason }) => reason),
        ["BUDGET_EXHAUSTED"],
      );
    assert.equal(await shop.uses("TEN"), 100);
    // Given back and taken at once: what is free is what was given back, and no update is lost.
    const paid = orders.flatMap((order, i) => (discounts(order).length > 0 ? [`o${i}`] : []));
    const both = await Promise.all([
      ...paid.slice(0, 30).map(async (order) => void (await shop.back(order, "all")).expect<Returned>()),
      ...times(60, (i) => shop.book(people[i % 20] ?? "", `p${i}`, 50, { codes: ["TEN"] })),
    ]);
    const more = both.filter((order) => order !== undefined).filter((order) => discounts(order).length > 0).length;
    assert.ok(more <= 30);
    let rest = 0;
    while (discounts(await shop.book(people[0] ?? "", `q${rest}`, 50, { codes: ["TEN"] })).length > 0) rest++;
    assert.equal(more + rest, 30);
    assert.equal(await shop.uses("TEN"), 100);
  });

  const AUTUMN = {
    ...CLUB,
    rules: [...CLUB.rules, { id: "visit", on: "Visited", earn: "1", caps: [{ most: 1, per: "day" }] }],
  };
  scenario(
    "are good through the last second of a day of 25 hours, wherever the till is",
    "2026-10-25T22:59:59Z",
    AUTUMN,
    async (shop, person) => {
      const [zoe, jo] = [person(), person()];
      await shop.put("vouchers", off("OCTOBER", "10.00", { valid: { to: "2026-10-25" } }));
      await shop.code("OCTOBER", "OCTOBER");
      const at = (customer: string, order: string, time: string) =>
        shop.book(customer, order, 50, { codes: ["OCTOBER"], time });
      assert.deepEqual(discounts(await at(zoe, "paris", "2026-10-25T23:59:59+01:00")), [10]);
      assert.deepEqual(discounts(await at(zoe, "reunion", "2026-10-26T02:59:00+04:00")), [10]);
      (await shop.redeem("OCTOBER")).expect();
      await shop.clock("2026-10-25T23:00:00Z");
      const late = await at(zoe, "late", "2026-10-26T00:00:00+01:00");
      assert.deepEqual([discounts(late), late.rejected[0]?.reason], [[], "CouponExpired"]);
      (await shop.redeem("OCTOBER")).refused(422, "CouponExpired");
      // The hour from two to three comes twice on that day, and the day is one.
      for (const time of ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T23:59:59+01:00"])
        await shop.tell(jo, "Visited", {}, time);
      assert.equal(await shop.active(jo), 1);
      await shop.tell(jo, "Visited", {}, "2026-10-24T23:59:59+02:00");
      assert.equal(await shop.active(jo), 2);
    },
  );
});

describe("a gift card", () => {
  scenario(
    "is not store credit, of which a whole one pays what it is worth",
    MARCH,
    { ...CLUB, currencies: [{ id: "credit", scale: 2, worth: "1.00" }], rules: [] },
    async (shop, person) => {
      const zoe = person();
      await shop.tell(zoe, "Viewed");
      const put = { customer: zoe, amount: 20, reason: "a gift" };
      (await shop.post("/v1/loyalty/points/adjust", put)).expect();
      const order = await shop.book(zoe, "o1", 30, { pay: [{ points: { amount: 12.5 } }] });
      assert.equal(order.totals.to_pay, 17.5);
      assert.equal(await shop.active(zoe), 7.5);
      const owed = (await shop.client.get("/v1/loyalty/liability/club")).expect<{ currencies: { money: number }[] }>();
      assert.equal(owed.currencies[0]?.money, 7.5);
    },
  );

  scenario("is worth nothing when it has expired", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", {
      id: "GIFT",
      programme: "club",
      discount: { credit: "50.00" },
      valid: { for: "1 year" },
    });
    await shop.code("GIFT", "CARD");
    const pay = { pay: [{ card: { code: "CARD" } }] };
    const left = async (): Promise<number | undefined> =>
      (await shop.client.get("/v1/loyalty/codes/CARD")).expect<Code>().balance;
    const first = await shop.book(zoe, "o1", 32.5, pay);
    assert.deepEqual([first.totals.paid_with_cards, first.totals.to_pay, await left()], [32.5, 0, 17.5]);
    await shop.clock("2027-03-01T23:00:00Z");
    (await shop.redeem("CARD", { amount: 17.5 })).refused(422, "CouponExpired");
    const refused = await shop.order(zoe, "o2", [{ sku: "A", price: 20 }], pay);
    refused.refused(422, "CouponExpired");
    assert.equal(await left(), 17.5);
  });
});
