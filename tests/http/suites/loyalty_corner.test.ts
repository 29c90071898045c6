// Corners where several rules of loyalty meet, by exact numbers: returns of what was paid in three ways, points that
// lapsed or were spent meanwhile, leap days and clock changes, members united and parted, and amounts that cannot be.
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Reply } from "../lib/client.ts";
import { identify, times } from "../lib/message.ts";
import { CLUB, discounts, earned, points, scenario, type Code, type Returned } from "../lib/shop.ts";

const MARCH = "2026-03-01T09:00:00Z";
const tried = (reply: Reply): string => (reply.status === 200 ? "" : reply.json<{ code: string }>().code);

describe("a return", () => {
  scenario("of three lines, a percentage and points that paid gives it all back", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.book(zoe, "start", 500);
    await shop.put("vouchers", { id: "TENTH", programme: "club", discount: { percent: 10 } });
    await shop.code("TENTH", "TENTH");
    const lines = [19.99, 5.01, 10].map((price, i) => ({ sku: `S${i}`, price, line_id: `l${i}` }));
    const order = await shop.book(zoe, "o1", lines, { codes: ["TENTH"], pay: [{ points: { amount: 333 } }] });
    const shares = order.effects.find(({ type }) => type === "discount")?.lines?.map(({ amount }) => amount);
    assert.deepEqual(shares, [2, 0.5, 1]);
    assert.deepEqual([order.totals.due, order.totals.to_pay, earned(order)], [31.5, 28.17, 28]);
    assert.equal(await shop.active(zoe), 500 - 333 + 28);
    const backs = [];
    for (const line_id of ["l1", "l0", "l2"]) {
      const { refund, points } = (await shop.back("o1", `r-${line_id}`, [{ line_id }])).expect<Returned>();
      backs.push([refund.amount, refund.money, refund.tenders[0]?.amount, points[0]?.taken_back]);
    }
    // 28 points for 28.17: kept floor(28 * 24.14 / 28.17) = 23, then floor(28 * 8.05 / 28.17) = 8, then nothing.
    assert.deepEqual(backs, [
      [4.51, 4.03, 0.48, 5],
      [17.99, 16.09, 1.9, 15],
      [9, 8.05, 0.95, 8],
    ]);
    const { active, spent } = await shop.balance(zoe);
    assert.deepEqual([active, spent], [500, 0]);
  });

  // What has lapsed is gone: nobody owes it.
  for (const policy of ["only_pending", "within_balance", "unlimited"]) {
    const later = 250;
    const terms = points({ returns: policy, validity: { after: "30 days" } });
    scenario(`when the points have lapsed, ${policy}`, MARCH, terms, async (shop, person) => {
      const zoe = person();
      await shop.book(zoe, "o1", 100);
      await shop.clock("2026-05-01T09:00:00Z");
      assert.deepEqual([await shop.active(zoe), (await shop.balance(zoe)).expired], [0, 100]);
      const back = (await shop.back("o1", "r1")).expect<Returned>();
      assert.deepEqual([back.points[0]?.taken_back, back.points[0]?.uncollected], [0, 100]);
      assert.equal((await shop.balance(zoe)).debt, 0);
      await shop.book(zoe, "o2", 250);
      assert.equal(await shop.active(zoe), later);
      // Points that paid come back into a lot that has lapsed meanwhile, and lapse at once.
      await shop.book(zoe, "o3", 1, { pay: [{ points: { amount: 100 } }] });
      await shop.clock("2026-07-01T09:00:00Z");
      const before = await shop.balance(zoe);
      assert.deepEqual([before.active, before.spent, before.expired], [0, 100, 100 + later - 100]);
      assert.equal((await shop.back("o3", "r1")).expect<Returned>().refund.tenders[0]?.amount, 1);
      const { active, spent, expired } = await shop.balance(zoe);
      assert.deepEqual([active, spent, expired], [0, 0, 100 + later]);
    });
  }

  scenario("of what a card paid that has ended is paid out", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", { id: "GIFT", programme: "club", discount: { credit: "50.00" } });
    await shop.code("GIFT", "CARD");
    await shop.book(zoe, "o1", 80, { pay: [{ card: { code: "CARD", amount: 20 } }] });
    const ended = (await shop.post("/v1/loyalty/codes/CARD/cancel")).expect<{ refund: number }>();
    assert.equal(ended.refund, 30);
    const { refund } = (await shop.back("o1", "r1")).expect<Returned>();
    assert.deepEqual([refund.amount, refund.money, refund.tenders[0]?.amount], [80, 80, 0]);
    const card = (await shop.client.get("/v1/loyalty/codes/CARD")).expect<Code>();
    assert.deepEqual([card.state, card.balance], ["cancelled", 0]);
    assert.equal(await shop.active(zoe), 0);
  });

  scenario("of a cancelled order is undone when its points are there", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.book(zoe, "start", 100);
    await shop.book(zoe, "o1", 30, { pay: [{ points: { amount: 100 } }] });
    assert.equal(await shop.active(zoe), 29);
    (await shop.post("/v1/loyalty/orders/o1/cancel")).expect();
    assert.equal(await shop.active(zoe), 100);
    (await shop.burn(zoe, 50)).expect();
    const entries = (await shop.statement(zoe)).length;
    (await shop.post("/v1/loyalty/orders/o1/reopen")).refused(422, "INSUFFICIENT_POINTS");
    assert.deepEqual([await shop.active(zoe), (await shop.statement(zoe)).length], [50, entries]);
    await shop.adjust(zoe, 50);
    (await shop.post("/v1/loyalty/orders/o1/reopen")).expect();
    const { active, spent } = await shop.balance(zoe);
    assert.deepEqual([active, spent], [29, 150]);
    (await shop.post("/v1/loyalty/orders/o1/reopen")).refused(422, "ORDER_NOT_CANCELLED");
  });

  const REWARDED = {
    ...points({ returns: "unlimited" }),
    rewards: [{ id: "mug", voucher: "MUG", cost: 80, automatic: true }],
  };
  scenario("leaves a debt that is paid before any reward", MARCH, CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", { id: "MUG", programme: "club", discount: { amount: "5.00" } });
    await shop.put("programmes", REWARDED);
    await shop.book(zoe, "o1", 70);
    (await shop.burn(zoe, 40)).expect();
    (await shop.back("o1", "r1")).expect();
    assert.equal((await shop.balance(zoe)).debt, -40);
    await shop.book(zoe, "o2", 100);
    assert.deepEqual([await shop.active(zoe), (await shop.look(zoe)).vouchers.length], [60, 0]);
    await shop.book(zoe, "o3", 100);
    assert.deepEqual([await shop.active(zoe), (await shop.look(zoe)).vouchers.length], [0, 2]);
  });
});

describe("a hold", () => {
  const month = points({ validity: { after: "30 days" } });
  scenario("is won by one of twenty, and ends once", MARCH, month, async (shop, person) => {
    const zoe = person();
    await shop.book(zoe, "o1", 100);
    const hold = (amount: number, ttl_s = 900): Promise<Reply> =>
      shop.post("/v1/loyalty/points/hold", { customer: zoe, amount, ttl_s });
    const replies = await Promise.all(times(20, () => hold(60)));
    assert.deepEqual(replies.map(tried).sort(), ["", ...times(19, () => "INSUFFICIENT_POINTS")]);
    const id = replies.find(({ status }) => status === 200)?.json<{ hold: string }>().hold ?? "";
    const end = (hold: string, how: string, body: object = {}): Promise<Reply> =>
      shop.post(`/v1/loyalty/holds/${hold}/${how}`, body);
    (await end(id, "capture", { amount: 61 })).refused(422, "CAPTURE_EXCEEDS_HOLD");
    for (const amount of [0, -1, 1.5, "60"]) (await end(id, "capture", { amount })).refused(400, "bad_amount");
    (await end(id, "void")).expect();
    (await end(id, "void")).refused(422, "ALREADY_VOIDED");
    (await end(id, "capture")).refused(422, "ALREADY_VOIDED");
    assert.deepEqual([await shop.active(zoe), (await shop.balance(zoe)).held], [100, 0]);

    // What is held at midnight lapses when it is let go after its date, and not before.
    await shop.clock("2026-03-31T21:00:00Z");
    const late = (await hold(60, 7200)).expect<{ hold: string }>().hold;
    await shop.clock("2026-03-31T22:00:00Z");
    const midnight = await shop.balance(zoe);
    assert.deepEqual([midnight.active, midnight.held, midnight.expired], [0, 60, 40]);
    (await end(late, "void")).expect();
    const { active, held, expired } = await shop.balance(zoe);
    assert.deepEqual([active, held, expired], [0, 0, 100]);
  });
});

describe("the calendar", () => {
  const LEVELS = [
    { id: "standard", from: 0 },
    { id: "premium", from: 100 },
  ];
  const LEAP = { ...CLUB, tiers: { currency: "points", window: "12 months", grace: "1 month", levels: LEVELS } };
  scenario("gives a month of grace the leap day", "2027-01-31T09:00:00Z", LEAP, async (shop, person) => {
    const zoe = person();
    await shop.book(zoe, "o1", 100);
    const at = async (now: string): Promise<unknown[]> => {
      await shop.clock(now);
      const { tier } = await shop.wallet(zoe);
      return [tier?.level, tier?.qualifying];
    };
    // Until 31 January 2028, 00:00 it counts; a month later is the end of the last day of February.
    assert.deepEqual(await at("2028-01-30T22:59:59Z"), ["premium", 100]);
    assert.deepEqual(await at("2028-01-30T23:00:00Z"), ["premium", 0]);
    assert.deepEqual(await at("2028-02-29T22:59:59Z"), ["premium", 0]);
    await shop.book(zoe, "o2", 40);
    assert.deepEqual(await at("2028-02-29T23:00:00Z"), ["standard", 40]);
    // What came on 29 February counts through the last day of the next one.
    assert.deepEqual(await at("2029-02-28T22:59:59Z"), ["standard", 40]);
    assert.deepEqual(await at("2029-02-28T23:00:00Z"), ["standard", 0]);
  });

  const DAY = (after: string): object => points({ pending: { after }, validity: { after: "1 day" } });
  scenario("has days of 23 and 25 hours", "2026-03-28T01:30:00Z", DAY("1 day"), async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    const has = async (now: string): Promise<number[]> => {
      await shop.clock(now);
      const { pending, active, expired } = await shop.balance(zoe);
      return [pending, active, expired];
    };
    // A day after 02:30 there is no 02:30: the clock shows 03:00 then.
    await shop.book(zoe, "o1", 100);
    assert.deepEqual(await has("2026-03-29T00:59:59Z"), [100, 0, 0]);
    assert.deepEqual(await has("2026-03-29T01:00:00Z"), [0, 100, 0]);
    assert.deepEqual(await has("2026-03-30T21:59:59Z"), [0, 100, 0]);
    assert.deepEqual(await has("2026-03-30T22:00:00Z"), [0, 0, 100]);
    // 24 hours are 24 hours, also when a night has 25 of which one comes twice.
    await shop.clock("2026-10-24T22:30:00Z");
    await shop.put("programmes", DAY("24 hours"));
    await shop.book(jo, "o2", 100);
    const [lot] = (await shop.wallet(jo)).lots;
    assert.deepEqual([lot?.active_at, lot?.expires_on], ["2026-10-25T22:30:00.000Z", "2026-10-26"]);
    await shop.clock("2026-10-26T22:59:59Z");
    assert.equal(await shop.active(jo), 100);
    await shop.clock("2026-10-26T23:00:00Z");
    assert.equal(await shop.active(jo), 0);
  });

  const OFFLINE = { ...CLUB, offline: { lateness: "7 days" } };
  scenario("lets a till be seven days late, to the second", "2026-06-08T20:10:00Z", OFFLINE, async (shop, person) => {
    const zoe = person();
    const sale = (id: string, at: string): object => ({
      order: { ...shop.basket(zoe, id, [{ sku: "A", price: 10 }]), business_time: at },
    });
    const back = (order: string): object => ({ return: { order, return_id: "r1" } });
    const items = [
      sale("t1", "2026-06-01T20:10:00Z"),
      sale("t2", "2026-06-01T20:09:59Z"),
      sale("t1", "2026-06-01T20:09:00Z"),
      sale("t3", "2026-06-05T20:10:00Z"),
      back("t1"),
      back("t2"),
    ];
    const send = async (): Promise<string[]> =>
      (await shop.post("/v1/loyalty/till/batch", { items }))
        .expect<{ items: { status: string; code?: string }[] }>()
        .items.map(({ status, code }) => code ?? status);
    assert.deepEqual(await send(), ["booked", "TOO_LATE", "replayed", "booked", "booked", "no_order"]);
    assert.deepEqual(await send(), ["replayed", "TOO_LATE", "replayed", "replayed", "replayed", "no_order"]);
    assert.equal(await shop.active(zoe), 10);
  });
});

describe("two members", () => {
  scenario("who both used what each may once have no third use", MARCH, CLUB, async (shop, person) => {
    const [web, card] = [person("user_id:web"), person("loyalty_card:C1")];
    await shop.put("vouchers", {
      id: "ONCE",
      programme: "club",
      discount: { amount: "10.00" },
      uses: { per_customer: 1 },
    });
    await shop.code("ONCE", "ONCE");
    const use = async (customer: string, order: string): Promise<unknown[]> => {
      const booked = await shop.book(customer, order, 60, { codes: ["ONCE"] });
      return [...discounts(booked), ...booked.rejected.map(({ reason }) => reason)];
    };
    assert.deepEqual([await use(web, "w1"), await use(card, "c1")], [[10], [10]]);
    await shop.site.sender.takeAll([identify({ userId: "web" }, { loyalty_card: "C1" })]);
    assert.equal((await shop.look(web)).customer, (await shop.look(card)).customer);
    assert.deepEqual([await shop.active(web), await shop.uses("ONCE")], [100, 2]);
    assert.deepEqual(await use(web, "w2"), ["CouponLimitReached"]);
    (await shop.back("w1", "r1")).expect();
    assert.deepEqual(await use(card, "w3"), ["CouponLimitReached"]);
    (await shop.back("c1", "r1")).expect();
    assert.deepEqual(await use(card, "w4"), [10]);
    assert.deepEqual(await use(web, "w5"), ["CouponLimitReached"]);
    assert.deepEqual([await shop.active(web), await shop.uses("ONCE")], [60 + 60 + 50 + 60, 1]);
  });

  scenario("who part after spending have each what is left of their own", MARCH, CLUB, async (shop, person) => {
    const [web, card] = [person("user_id:web"), person("loyalty_card:C1")];
    await shop.book(web, "w1", 100);
    await shop.clock("2026-03-01T10:00:00Z");
    await shop.book(card, "c1", 50);
    await shop.site.sender.takeAll([identify({ userId: "web" }, { loyalty_card: "C1" })]);
    assert.equal(await shop.active(card), 150);
    (await shop.burn(web, 120)).expect(); // 100 of the one, 20 of the other
    await shop.book(card, "c2", 30, { pay: [{ points: { amount: 10 } }] });
    assert.equal(await shop.active(web), 150 - 120 - 10 + 29);
    await shop.client.split(web, { apart: [web, card] });
    const has = async (one: string): Promise<number[]> => {
      const { active, spent } = await shop.balance(one);
      return [active, spent];
    };
    assert.deepEqual(
      [await has(web), await has(card)],
      [
        [0, 100],
        [50 - 20 - 10 + 29, 30],
      ],
    );
    const back = (await shop.back("c2", "r1")).expect<Returned>();
    assert.deepEqual([back.refund.money, back.points[0]?.taken_back], [29.9, 29]);
    assert.deepEqual(
      [await has(web), await has(card)],
      [
        [0, 100],
        [30, 20],
      ],
    );
  });
});

describe("what cannot be", () => {
  scenario("is refused with its place, and books nothing", MARCH, CLUB, async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    await shop.book(zoe, "o1", [{ sku: "A", price: 10, quantity: 3, line_id: "x" }]);
    const state = async (): Promise<unknown[]> => [
      await shop.look(zoe),
      await shop.statement(zoe),
      (await shop.client.stats()).events,
    ];
    const before = await state();
    const MOST = "9223372036854775807";
    const wrong = (cart: string, more = ""): Promise<Reply> =>
      shop.client.ask("POST", "/v1/loyalty/orders", {
        body: `{"customer":"${zoe}","cart":{"order_id":"bad",${cart}}${more}}`,
      });
    for (const [cart, code, field] of [
      ['"products":[{"price":10,"quantity":-1}]', "bad_quantity", "cart.products[0].quantity"],
      ['"products":[{"price":10,"quantity":0}]', "bad_quantity", "cart.products[0].quantity"],
      ['"products":[{"price":-10}]', "bad_amount", "cart.products[0].price"],
      ['"products":[{"price":10.005}]', "bad_amount", "cart.products[0].price"],
      [`"products":[{"price":1,"quantity":${MOST}}]`, "overflow", "cart.products[0].quantity"],
      [`"products":[{"price":${MOST}}]`, "overflow", "cart.products[0].price"],
      ['"products":[{"price":92233720368547758.07},{"price":0.01}]', "overflow", "cart.products[1]"],
      ['"products":[{"price":10}],"shipping":92233720368547758.07', "overflow", undefined],
      ['"products":[{"price":10}],"currency":"USD"', "currency_mismatch", "cart.currency"],
      ['"products":[{"price":1},{"price":1,"currency":"USD"}]', "currency_mismatch", "cart.products[1].currency"],
      ['"total":-5', "bad_amount", "cart.total"],
      ['"total":5,"tax":-1', "bad_amount", "cart.tax"],
    ] as const) {
      const problem = (await wrong(cart)).refused(400, code);
      assert.equal(problem.field?.replace(/^cart\./, ""), field?.replace(/^cart\./, ""), cart);
    }
    (await wrong('"total":10', ',"pay":[{"points":{"amount":-5}}]')).refused(400, "bad_amount");
    (await wrong('"total":10', ',"pay":[{"points":{"amount":31}}]')).refused(422, "INSUFFICIENT_POINTS");
    for (const quantity of [0, -1])
      (await shop.back("o1", "bad", [{ line_id: "x", quantity }])).refused(400, "bad_quantity");
    (await shop.back("o1", "bad", [{ line_id: "x", quantity: 4 }])).refused(422, "RETURN_EXCEEDS_SOLD");
    const twice = { line_id: "x", quantity: 2 };
    (await shop.back("o1", "bad", [twice, twice])).refused(422, "RETURN_EXCEEDS_SOLD");
    (await shop.back("o1", "bad", [{ line_id: "y" }])).refused(400, "unknown_line");
    const move = (how: string, amount: string): Promise<Reply> =>
      shop.client.ask("POST", `/v1/loyalty/points/${how}`, {
        body: `{"customer":"${zoe}","amount":${amount}${how === "adjust" ? ',"reason":"a test"' : ""}}`,
      });
    const LARGEST = "1000000000000000";
    for (const amount of ["0", "1.5", '"7"', "1e300", "null", "1000000000000001", MOST, "9223372036854775808"])
      for (const how of ["burn", "hold", "adjust"]) (await move(how, amount)).refused(400, "bad_amount");
    for (const how of ["burn", "hold"]) {
      (await move(how, "-5")).refused(400, "bad_amount");
      (await move(how, LARGEST)).refused(422, "INSUFFICIENT_POINTS");
    }
    (await move("adjust", `-${LARGEST}`)).refused(422, "INSUFFICIENT_POINTS");
    for (const amount of ["1000000000000001", MOST, "9223372036854775808"])
      (await move("adjust", `-${amount}`)).refused(400, "bad_amount");
    (await shop.post("/v1/loyalty/points/adjust", { customer: zoe, amount: -31, reason: "a test" })).refused(
      422,
      "INSUFFICIENT_POINTS",
    );
    const give = { from: zoe, to: zoe, amount: 1, reason: "a test" };
    (await shop.post("/v1/loyalty/points/transfer", give)).refused(400, "same_customer");
    (await shop.post("/v1/loyalty/points/transfer", { ...give, to: jo })).refused(404, "no_customer");
    assert.deepEqual(await state(), before);
    assert.equal(await shop.client.find(jo), undefined);
  });
});
