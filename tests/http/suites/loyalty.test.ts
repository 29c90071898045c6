// Loyalty for tills and web shop: points earned and spent, orders given back, codes, cards and budgets, to the cent,
// and whoever asks at once with whom.
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { times } from "../lib/message.ts";
import type { Reply } from "../lib/client.ts";
import { openSite, type Site } from "../lib/server.ts";
import { audit, type Balance, type Lot } from "../lib/shop.ts";

interface Member {
  customer: string;
  programmes: { programme: string; balances: Balance[]; lots: Lot[] }[];
  vouchers: { code: string; state: string }[];
}
interface Effect {
  type: string;
  amount: number;
  code?: string;
  lines?: { line_id: string; amount: number }[];
}
interface Evaluation {
  customer: string;
  effects: Effect[];
  rejected: { code?: string; rule?: string; reason: string }[];
  totals: { amount: number; discount: number; tax: number; due: number; paid_with_cards: number; to_pay: number };
}
interface Returned {
  refund: { amount: number; money: number; tenders: { card?: string; amount: number }[] };
  points: { taken_back: number; uncollected: number }[];
}
interface Redeemed {
  redemption: string;
  uses: number;
  balance?: number;
}
interface Replayed<T> {
  replayed: true;
  reply: T;
}
interface Line {
  sku: string;
  price: number;
  quantity?: number;
  line_id?: string;
}

const CLUB = {
  id: "club",
  name: "The club",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points", worth: "0.01" }],
  rules: [{ id: "purchase", on: "Order Completed", earn: "floor(paid)" }],
  stacking: { codes: "partial" },
};
const points = (more: object): object => ({ ...CLUB, currencies: [{ id: "points", worth: "0.01", ...more }] });

class Shop {
  readonly site: Site;
  readonly people: string[] = [];

  constructor(site: Site) {
    this.site = site;
  }

  post(path: string, body: object, headers: Record<string, string> = {}): Promise<Reply> {
    return this.site.client.ask("POST", path, { body, headers });
  }
  async put(kind: string, document: object): Promise<void> {
    (await this.site.client.ask("PUT", `/v1/loyalty/${kind}`, { body: document })).expect();
  }
  clock(now: string): Promise<void> {
    return this.site.client.holdClock(now);
  }
  name(): string {
    const name = `email:m${this.people.length + 1}@exemple.fr`;
    this.people.push(name);
    return name;
  }
  basket(customer: string, order: string, products: Line[], more: object = {}, cart: object = {}): object {
    return { customer, cart: { order_id: order, products, ...cart }, ...more };
  }
  order(customer: string, order: string, products: Line[], more: object = {}, cart: object = {}): Promise<Reply> {
    return this.post("/v1/loyalty/orders", this.basket(customer, order, products, more, cart));
  }
  async book(customer: string, order: string, products: Line[], more: object = {}, cart: object = {}) {
    return (await this.order(customer, order, products, more, cart)).expect<Evaluation>();
  }
  back(order: string, id: string, lines?: object[]): Promise<Reply> {
    return this.post(`/v1/loyalty/orders/${order}/returns`, { return_id: id, ...(lines ? { lines } : {}) });
  }
  burn(customer: string, amount: number, headers: Record<string, string> = {}): Promise<Reply> {
    return this.post("/v1/loyalty/points/burn", { customer, amount }, headers);
  }
  /** A customer with so many points. */
  async member(amount: number): Promise<string> {
    const customer = this.name();
    await this.book(customer, `start-${customer}`, [{ sku: "START", price: 1 }]);
    await this.adjust(customer, amount - 1);
    return customer;
  }
  async adjust(customer: string, amount: number): Promise<void> {
    (await this.post("/v1/loyalty/points/adjust", { customer, amount, reason: "a test" })).expect();
  }
  async look(customer: string): Promise<Member> {
    return (await this.site.client.get(`/v1/customers/${encodeURIComponent(customer)}/loyalty`)).expect<Member>();
  }
  async balance(customer: string): Promise<Balance> {
    const balance = (await this.look(customer)).programmes[0]?.balances[0];
    assert.ok(balance);
    return balance;
  }
  async code(voucher: string, code: string, more: object = {}): Promise<void> {
    (await this.post("/v1/loyalty/codes", { voucher, code, ...more })).expect();
  }
}

const opened: Shop[] = [];

// Whatever a test did, its books agree.
afterEach(async () => {
  for (const shop of opened.splice(0)) {
    try {
      await audit(shop.site, shop.people);
    } finally {
      await shop.site.close();
    }
  }
});

async function open(now: string, programme: object = CLUB): Promise<Shop> {
  const site = await openSite({ args: ["--test-clock", now] });
  const shop = new Shop(site);
  opened.push(shop);
  await shop.put("programmes", programme);
  return shop;
}

const earned = (order: Evaluation): number =>
  order.effects.filter((effect) => effect.type === "points").reduce((sum, effect) => sum + effect.amount, 0);
const discounts = (order: Evaluation): number[] =>
  order.effects.filter((effect) => effect.type === "discount").map((effect) => effect.amount);

describe("a basket without a total", () => {
  it("has for discounts the one before them, evaluated and booked", async () => {
    const rules = [
      { id: "large", on: "Order Completed", when: "total >= 100", discount: { percent: 10 } },
      { id: "purchase", on: "Order Completed", earn: "floor(total)" },
    ];
    const shop = await open("2026-03-01T09:00:00Z", { ...CLUB, rules });
    const zoe = shop.name();
    const lines = [{ sku: "A", price: 105 }];
    const tried = await shop.post("/v1/loyalty/evaluate", shop.basket(zoe, "o1", lines));
    const booked = await shop.book(zoe, "o1", lines);
    for (const reply of [tried.expect<Evaluation>(), booked])
      assert.deepEqual([reply.totals.due, earned(reply)], [94.5, 94]);
    assert.equal((await shop.book(zoe, "o2", [{ sku: "A", price: 99 }])).totals.due, 99);
  });
});

describe("points", () => {
  it("are pending for fourteen days to the second", async () => {
    const shop = await open("2026-03-01T09:00:00Z", points({ pending: { after: "14 days" } }));
    const zoe = shop.name();
    await shop.book(zoe, "o1", [{ sku: "A", price: 120 }]);
    await shop.clock("2026-03-14T22:59:00Z");
    (await shop.burn(zoe, 50)).refused(422, "INSUFFICIENT_POINTS");
    const before = await shop.balance(zoe);
    assert.deepEqual([before.active, before.pending], [0, 120]);
    await shop.clock("2026-03-15T09:00:00Z");
    (await shop.burn(zoe, 50)).expect();
    assert.equal((await shop.balance(zoe)).active, 70);
  });

  it("are valid from the day on which they become active", async () => {
    const programme = points({ pending: { after: "14 days" }, validity: { after: "12 months" } });
    const shop = await open("2026-01-31T11:00:00Z", programme);
    const zoe = shop.name();
    await shop.book(zoe, "o1", [{ sku: "A", price: 10 }]);
    await shop.clock("2026-02-14T12:00:00Z");
    const lot = (await shop.look(zoe)).programmes[0]?.lots[0];
    assert.deepEqual([lot?.active_at?.slice(0, 10), lot?.expires_on], ["2026-02-14", "2027-02-14"]);
  });

  it("that expire soonest are spent first", async () => {
    const shop = await open("2026-01-15T11:00:00Z", points({ validity: { after: "166 days" } }));
    const zoe = shop.name();
    await shop.book(zoe, "o1", [{ sku: "A", price: 100 }]);
    await shop.put("programmes", points({ validity: { after: "105 days" } }));
    await shop.adjust(zoe, 50);
    await shop.put("programmes", CLUB);
    await shop.adjust(zoe, 200);
    (await shop.burn(zoe, 120)).expect();
    const lots = (await shop.look(zoe)).programmes[0]?.lots.map((lot) => [lot.expires_on, lot.left]);
    assert.deepEqual(lots, [
      ["2026-06-30", 30],
      [undefined, 200],
    ]);
    await shop.clock("2026-06-30T22:00:00Z");
    const now = await shop.balance(zoe);
    assert.deepEqual([now.active, now.expired], [200, 30]);
  });

  it("are never spent twice by burns at once", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const zoe = await shop.member(100);
    const replies = await Promise.all(times(50, () => shop.burn(zoe, 30)));
    assert.equal(replies.filter((reply) => reply.status === 200).length, 3);
    for (const reply of replies) if (reply.status !== 200) reply.refused(422, "INSUFFICIENT_POINTS");
    assert.equal((await shop.balance(zoe)).active, 10);
  });

  it("that are held count at once, are captured once, and are free when the time is over", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const zoe = await shop.member(300);
    const hold = async (amount: number): Promise<string> =>
      (await shop.post("/v1/loyalty/points/hold", { customer: zoe, amount })).expect<{ hold: string }>().hold;
    const end = (id: string, how: string, body: object = {}): Promise<Reply> =>
      shop.post(`/v1/loyalty/holds/${id}/${how}`, body);
    const first = await hold(120);
    assert.equal((await shop.balance(zoe)).available, 180);
    (await end(first, "capture", { amount: 100 })).expect();
    const { active, held, spent } = await shop.balance(zoe);
    assert.deepEqual([active, held, spent], [200, 0, 100]);
    (await end(first, "capture")).refused(422, "ALREADY_CAPTURED");
    (await end(first, "void")).refused(422, "ALREADY_CAPTURED");
    const second = await hold(50);
    await shop.clock("2026-03-01T09:15:01Z");
    (await end(second, "capture")).refused(422, "HOLD_EXPIRED");
    assert.equal((await shop.balance(zoe)).available, 200);
    (await end("h1-99999", "void")).refused(404, "no_hold");
    const third = await hold(80);
    const pay = { pay: [{ hold: { id: third } }] };
    const { totals } = await shop.book(zoe, "held", [{ sku: "A", price: 0.5 }], pay);
    assert.deepEqual([totals.due, totals.to_pay], [0.5, 0]);
    const after_all = await shop.balance(zoe);
    assert.deepEqual([after_all.active, after_all.held, after_all.spent], [150, 0, 150]);
    (await shop.order(zoe, "again", [{ sku: "A", price: 1 }], pay)).refused(422, "ALREADY_CAPTURED");
  });

  it("move once under an Idempotency-Key, and refusals are replayed too", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const zoe = await shop.member(100);
    const key = { "idempotency-key": "till-7" };
    const replies = [await shop.burn(zoe, 40, key), await shop.burn(zoe, 40, key), await shop.burn(zoe, 40, key)];
    assert.deepEqual(
      replies.map((reply) => [reply.expect() !== undefined, reply.headers["idempotency-hit"]]),
      [
        [true, undefined],
        [true, "true"],
        [true, "true"],
      ],
    );
    for (const reply of replies) assert.ok(reply.body.equals(replies[0]?.body ?? Buffer.alloc(0)));
    assert.equal((await shop.balance(zoe)).active, 60);
    (await shop.burn(zoe, 41, key)).refused(422, "idempotency_mismatch");
    const denied = { "idempotency-key": "till-8" };
    (await shop.burn(zoe, 90, denied)).refused(422, "INSUFFICIENT_POINTS");
    await shop.adjust(zoe, 100);
    (await shop.burn(zoe, 90, denied)).refused(422, "INSUFFICIENT_POINTS");
    (await shop.burn(zoe, 90)).expect();
    // Known for a day, and while the first still runs.
    await shop.clock("2026-03-02T08:59:59Z");
    const late = await shop.burn(zoe, 40, key);
    assert.deepEqual([late.headers["idempotency-hit"], late.text], ["true", replies[0]?.text]);
    await shop.adjust(zoe, 930);
    const once = await Promise.all(times(20, () => shop.burn(zoe, 10, { "idempotency-key": "till-9" })));
    for (const reply of once) if (reply.status !== 200) reply.refused(409, "idempotency_in_flight");
    assert.equal(new Set(once.filter(({ status }) => status === 200).map(({ text }) => text)).size, 1);
    assert.equal((await shop.balance(zoe)).active, 70 + 930 - 10);
  });
});

describe("returns", () => {
  it("one by one take back what all at once would", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const zoe = shop.name();
    const lines = [33.33, 33.33, 33.34].map((price, i) => ({ sku: `S${i}`, price, line_id: `l${i}` }));
    assert.equal(earned(await shop.book(zoe, "o1", lines)), 100);
    const taken = [];
    for (const { line_id } of lines) {
      const back = (await shop.back("o1", `r-${line_id}`, [{ line_id }])).expect<Returned>();
      taken.push(back.points[0]?.taken_back);
    }
    assert.deepEqual(taken, [34, 33, 33]);
    const jo = shop.name();
    assert.equal(earned(await shop.book(jo, "o2", [{ sku: "A", price: 49.95 }])), 49);
    assert.equal((await shop.back("o2", "all")).expect<Returned>().points[0]?.taken_back, 49);
    assert.equal((await shop.balance(jo)).active, 0);
    (await shop.back("o2", "more", [{ sku: "A", quantity: 1 }])).refused(422, "RETURN_EXCEEDS_SOLD");
    const again = (await shop.back("o2", "all")).expect<Replayed<Returned>>();
    assert.equal(again.reply.points[0]?.taken_back, 49);
  });

  for (const [policy, left, uncollected, later] of [
    ["only_pending", 20, 50, 120],
    ["within_balance", 0, 30, 100],
    ["unlimited", -30, 0, 70],
  ] as const) {
    it(`after points were spent, ${policy}`, async () => {
      const shop = await open("2026-03-01T09:00:00Z", points({ returns: policy }));
      const zoe = shop.name();
      await shop.book(zoe, "o1", [{ sku: "A", price: 50 }]);
      (await shop.burn(zoe, 30)).expect();
      const back = (await shop.back("o1", "r1")).expect<Returned>();
      assert.equal(back.points[0]?.uncollected, uncollected);
      assert.equal((await shop.balance(zoe)).available, left);
      await shop.book(zoe, "o2", [{ sku: "A", price: 100 }]);
      assert.equal((await shop.balance(zoe)).available, later);
    });
  }

  it("of a whole order free its codes; a cancelled order opens again as it was, if nobody used them", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    await shop.put("vouchers", { id: "TEN", programme: "club", discount: { amount: "10.00" }, uses: { per_code: 1 } });
    await shop.code("TEN", "ONCE");
    const [zoe, jo] = [shop.name(), shop.name()];
    const wanted = [{ sku: "A", price: 60 }];
    assert.deepEqual(discounts(await shop.book(zoe, "o1", wanted, { codes: ["once"] })), [10]);
    (await shop.post("/v1/loyalty/orders/o1/cancel", {})).expect();
    assert.equal((await shop.balance(zoe)).active, 0);
    (await shop.post("/v1/loyalty/orders/o1/reopen", {})).expect();
    assert.equal((await shop.balance(zoe)).active, 50);
    (await shop.post("/v1/loyalty/orders/o1/cancel", {})).expect();
    assert.deepEqual(discounts(await shop.book(jo, "o2", wanted, { codes: ["ONCE"] })), [10]);
    (await shop.post("/v1/loyalty/orders/o1/reopen", {})).refused(422, "REDEMPTION_CONFLICT");
    assert.equal((await shop.balance(zoe)).active, 0);
  });
});

describe("codes", () => {
  it("are used once by a hundred at once, and to their limit", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const ten = { programme: "club", discount: { amount: "10.00" } };
    await shop.put("vouchers", { ...ten, id: "ONE", uses: { per_code: 1 } });
    await shop.put("vouchers", { ...ten, id: "MANY", uses: { per_code: 10 } });
    await shop.put("vouchers", { ...ten, id: "ALL", uses: { total: 10 } });
    await shop.code("ONE", "SINGLE");
    await shop.code("MANY", "LIMITED");
    const redeem = (code: string, more: object = {}): Promise<Reply> =>
      shop.post("/v1/loyalty/codes/redeem", { code, ...more });
    const replies = await Promise.all(times(100, () => redeem("SINGLE")));
    assert.equal(replies.filter((reply) => reply.status === 200).length, 1);
    for (const reply of replies) if (reply.status !== 200) reply.refused(422, "quantity_exceeded");
    for (let i = 0; i < 9; i++) (await redeem("LIMITED")).expect();
    const last = await Promise.all([redeem("LIMITED"), redeem("LIMITED")]);
    assert.deepEqual(last.map((reply) => reply.status).sort(), [200, 422]);
    const { codes } = (await shop.post("/v1/loyalty/codes", { voucher: "ALL", count: 11 })).expect<{
      codes: { code: string }[];
    }>();
    const all = await Promise.all(codes.map(({ code }) => redeem(code)));
    assert.equal(all.filter((reply) => reply.status === 200).length, 10);
    (await redeem(codes[0]?.code ?? "")).refused(422, "quantity_exceeded");
  });

  it("are given back once", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    await shop.put("vouchers", { id: "TEN", programme: "club", discount: { amount: "10.00" }, uses: { per_code: 1 } });
    await shop.code("TEN", "BACK");
    const used = (await shop.post("/v1/loyalty/codes/redeem", { code: "BACK" })).expect<Redeemed>();
    const path = `/v1/loyalty/codes/BACK/rollback/${used.redemption}`;
    assert.equal((await shop.post(path, {})).expect<Redeemed>().uses, 0);
    assert.equal((await shop.post(path, {})).expect<{ replayed: boolean }>().replayed, true);
    assert.equal((await shop.post("/v1/loyalty/codes/redeem", { code: "back" })).expect<Redeemed>().uses, 1);
    (await shop.post("/v1/loyalty/codes/BACK/rollback/r999", {})).refused(404, "no_redemption");
  });

  it("that are guessed make the key wait", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const replies = [];
    for (let i = 0; i < 23; i++) replies.push(await shop.site.client.get(`/v1/loyalty/codes/GUESS${i}`));
    assert.equal(replies[20]?.status, 404);
    const closed = replies[22];
    closed?.refused(429, "rate_limited");
    assert.equal(closed?.headers["retry-after"], "60");
    await shop.book(shop.name(), "o1", [{ sku: "A", price: 1 }]);
  });

  it("have a picture", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    await shop.put("vouchers", { id: "TEN", programme: "club", discount: { amount: "10.00" } });
    await shop.code("TEN", "PICTURE");
    for (const name of ["qr", "barcode"]) {
      const reply = await shop.site.client.get(`/v1/loyalty/codes/picture/${name}.svg`);
      assert.equal(reply.status, 200);
      assert.match(reply.text, /^<svg /);
    }
    (await shop.site.client.get("/v1/loyalty/codes/nothing/qr.svg")).refused(404, "CouponNotFound");
  });
});

describe("a gift card", () => {
  it("pays in part, is restored by a return, and is no discount", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const zoe = shop.name();
    await shop.put("vouchers", { id: "GIFT", programme: "club", discount: { credit: "50.00" } });
    await shop.code("GIFT", "CARD1");
    await shop.code("GIFT", "CARD2", { value: 115 });
    const pay = { pay: [{ card: { code: "CARD1" } }] };
    const left = async (code: string): Promise<number | undefined> =>
      (await shop.site.client.get(`/v1/loyalty/codes/${code}`)).expect<{ balance?: number }>().balance;
    assert.equal((await shop.book(zoe, "o1", [{ sku: "A", price: 32.5 }], pay)).totals.to_pay, 0);
    assert.equal(await left("CARD1"), 17.5);
    const second = await shop.book(zoe, "o2", [{ sku: "A", price: 20 }], pay);
    assert.deepEqual([second.totals.paid_with_cards, second.totals.to_pay], [17.5, 2.5]);
    assert.equal(await left("CARD1"), 0);
    const back = (await shop.back("o2", "r1")).expect<Returned>();
    assert.deepEqual([back.refund.money, back.refund.tenders[0]?.amount], [2.5, 17.5]);
    assert.equal(await left("CARD1"), 17.5);
    const redeem = (): Promise<Reply> => shop.post("/v1/loyalty/codes/redeem", { code: "CARD1", amount: 17.5 });
    const tills = await Promise.all([redeem(), redeem()]);
    assert.deepEqual(tills.map((reply) => reply.status).sort(), [200, 422]);
    const wallet = { pay: [{ card: { code: "CARD2" } }] };
    const { totals } = await shop.book(zoe, "o3", [{ sku: "A", price: 230 }], wallet, { tax: 30 });
    assert.deepEqual([totals.due, totals.paid_with_cards, totals.to_pay, totals.tax], [230, 115, 115, 30]);
  });

  it("whose sale is refunded gives back what is left, and is worth nothing then", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    await shop.put("vouchers", { id: "GIFT", programme: "club", discount: { credit: "50.00" } });
    await shop.code("GIFT", "CARD");
    (await shop.post("/v1/loyalty/codes/redeem", { code: "CARD", amount: 20 })).expect();
    const ended = (await shop.post("/v1/loyalty/codes/CARD/cancel", { reason: "refunded" })).expect<{
      state: string;
      refund: number;
      balance: number;
    }>();
    assert.deepEqual([ended.state, ended.refund, ended.balance], ["cancelled", 30, 0]);
    (await shop.post("/v1/loyalty/codes/redeem", { code: "CARD", amount: 1 })).refused(422, "CARD_CANCELLED");
  });
});

describe("promotions", () => {
  const stack = async (base: string): Promise<Evaluation> => {
    const shop = await open("2026-03-01T09:00:00Z", { ...CLUB, stacking: { base, order: "list_order" } });
    await shop.put("vouchers", { id: "GIFT", programme: "club", discount: { amount: "1.00" } });
    await shop.put("vouchers", { id: "FIFTH", programme: "club", discount: { percent: 20 } });
    await shop.put("vouchers", { id: "EIGHTY", programme: "club", discount: { amount: "80.00" } });
    await shop.code("GIFT", "A1");
    await shop.code("FIFTH", "B2");
    await shop.code("EIGHTY", "C3");
    return shop.book(shop.name(), "o1", [{ sku: "A", price: 2000 }], { codes: ["A1", "B2", "C3"] });
  };
  it("stack one upon the other, or upon the first price", async () => {
    const discounted = await stack("discounted");
    assert.deepEqual([discounts(discounted), discounted.totals.due], [[1, 399.8, 80], 1519.2]);
    const initial = await stack("initial");
    assert.deepEqual([discounts(initial), initial.totals.due], [[1, 400, 80], 1519]);
  });

  for (const [over, used] of [
    ["prevent", 0],
    ["force", 1],
  ] as const) {
    it(`never take off more than there is (${over})`, async () => {
      const shop = await open("2026-03-01T09:00:00Z", { ...CLUB, stacking: { codes: "partial", over_basket: over } });
      for (const [id, amount] of [
        ["P", "20.00"],
        ["Q", "20.00"],
        ["R", "5.00"],
      ]) {
        await shop.put("vouchers", { id, programme: "club", discount: { amount }, uses: { per_code: 1 } });
        await shop.code(id ?? "", `CODE${id}`);
      }
      const order = await shop.book(shop.name(), "o1", [{ sku: "A", price: 30 }], {
        codes: ["CODEP", "CODEQ", "CODER"],
      });
      assert.deepEqual(discounts(order), over === "force" ? [20, 10, 0] : [20, 10]);
      assert.equal(order.totals.due, 0);
      const third = (await shop.site.client.get("/v1/loyalty/codes/CODER")).expect<{ uses: number }>();
      assert.equal(third.uses, used);
    });
  }

  it("earn on what is paid; all codes or none", async () => {
    const shop = await open("2026-03-01T09:00:00Z", { ...CLUB, stacking: { codes: "all" } });
    await shop.put("vouchers", { id: "TENTH", programme: "club", discount: { percent: 10 }, uses: { per_code: 1 } });
    await shop.code("TENTH", "TENTH1");
    const none = await shop.book(shop.name(), "o1", [{ sku: "A", price: 100 }], { codes: ["TENTH1", "NOBODYS"] });
    assert.deepEqual([discounts(none), earned(none)], [[], 100]);
    assert.deepEqual(none.rejected.map(({ code, reason }) => [code, reason]).sort(), [
      ["NOBODYS", "CouponNotFound"],
      ["TENTH1", "not_all_valid"],
    ]);
    const one = await shop.book(shop.name(), "o2", [{ sku: "A", price: 100 }], { codes: ["TENTH1"] });
    assert.deepEqual([discounts(one), earned(one)], [[10], 90]);
  });

  for (const over of ["reject", "trim"]) {
    it(`keep to their budget (${over})`, async () => {
      const shop = await open("2026-03-01T09:00:00Z");
      const off = (id: string, amount: string): object => ({
        id,
        on: "Order Completed",
        when: `kind = "${id}"`,
        discount: { amount },
      });
      const rules = [off("big", "990.00"), off("small", "20.00"), off("tiny", "10.00")];
      await shop.put("campaigns", { id: "may", programme: "club", rules, budget: { money: "1000.00", over } });
      const buy = (order: string, kind: string): Promise<Evaluation> =>
        shop.book(shop.name(), order, [{ sku: "A", price: 2000 }], {}, { kind });
      assert.deepEqual(discounts(await buy("o1", "big")), [990]);
      const small = await buy("o2", "small");
      assert.deepEqual(discounts(small), over === "trim" ? [10] : []);
      if (over === "reject") assert.equal(small.rejected[0]?.reason, "BUDGET_EXHAUSTED");
      if (over === "trim") {
        (await shop.back("o2", "r1")).expect();
      }
      const many = await Promise.all(times(200, (i) => buy(`p${i}`, "tiny")));
      const winners = many.flatMap((order, i) => (discounts(order).length > 0 ? [i] : []));
      assert.equal(winners.length, 1);
      (await shop.back(`p${winners[0]}`, "r1")).expect();
      assert.deepEqual(discounts(await buy("last", "tiny")), [10]);
    });
  }
});

describe("a till", () => {
  it("that was away sends its sales once, however often", async () => {
    const shop = await open("2026-06-02T09:00:00Z", { ...CLUB, offline: { lateness: "7 days" } });
    const zoe = shop.name();
    const item = (i: number, day = "2026-05-31"): object => ({
      order: { ...shop.basket(zoe, `t${i}`, [{ sku: "A", price: 10 }]), business_time: `${day}T22:10:00+02:00` },
    });
    const items = [...times(10, (i) => item(i)), item(3), item(20, "2026-05-01")];
    type Results = { items: { status: string; code?: string }[] };
    const send = async (): Promise<string[]> =>
      (await shop.post("/v1/loyalty/till/batch", { items }))
        .expect<Results>()
        .items.map(({ status, code }) => code ?? status);
    assert.deepEqual(await send(), [...times(10, () => "booked"), "replayed", "TOO_LATE"]);
    assert.deepEqual(await send(), [...times(11, () => "replayed"), "TOO_LATE"]);
    assert.equal((await shop.balance(zoe)).active, 100);
  });

  it("changes no programme and no balance by its key", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const zoe = await shop.member(10);
    const { key } = await shop.site.client.makeKey({ kind: "secret", name: "till 1", scopes: ["till"] });
    const till = shop.site.server.client(key);
    (await till.ask("POST", "/v1/loyalty/orders", { body: shop.basket(zoe, "o1", [{ sku: "A", price: 5 }]) })).expect();
    (await till.get(`/v1/customers/${zoe}/loyalty`)).expect();
    (await till.ask("PUT", "/v1/loyalty/programmes", { body: CLUB })).refused(403, "missing_scope");
    const more = { customer: zoe, amount: 5, reason: "why not" };
    (await till.ask("POST", "/v1/loyalty/points/adjust", { body: more })).refused(403, "missing_scope");
    (await till.get("/v1/customers", { q: "zoe" })).refused(403, "missing_scope");
    till.close();
  });
});

describe("people", () => {
  it("agree to a large adjustment that another asked for", async () => {
    const shop = await open("2026-03-01T09:00:00Z", { ...CLUB, approval_above: 1000 });
    const zoe = await shop.member(10);
    const wanted = { customer: zoe, amount: 5000, reason: "goodwill" };
    const { approval } = (await shop.post("/v1/loyalty/points/adjust", wanted)).expect<{ approval: string }>();
    assert.equal((await shop.balance(zoe)).active, 10);
    (await shop.post(`/v1/loyalty/approvals/${approval}`, {})).refused(422, "SAME_PERSON");
    const { key } = await shop.site.client.makeKey({ kind: "secret", name: "jo", scopes: ["read", "write"] });
    const jo = shop.site.server.client(key);
    const waiting = (await jo.get("/v1/loyalty/approvals")).expect<{ items: { approval: string }[] }>();
    assert.deepEqual(
      waiting.items.map((item) => item.approval),
      [approval],
    );
    (await jo.ask("POST", `/v1/loyalty/approvals/${approval}`)).expect();
    (await jo.ask("POST", `/v1/loyalty/approvals/${approval}`)).refused(404, "no_approval");
    assert.equal((await shop.balance(zoe)).active, 5010);
    const page = (await jo.get(`/v1/customers/${zoe}/statement`, { limit: 1 })).expect<{
      items: { kind: string; author: string }[];
      next: string;
    }>();
    assert.equal(page.items[0]?.kind, "adjust");
    assert.match(page.items[0]?.author ?? "", /, agreed by jo$/);
    const older = (await jo.get(`/v1/customers/${zoe}/statement`, { after: page.next })).expect<{ items: unknown[] }>();
    assert.equal(older.items.length, 2);
    const owed = (await jo.get("/v1/loyalty/liability/club")).expect<{
      members: number;
      currencies: { active: number; money: number; undated: number }[];
    }>();
    assert.deepEqual(
      [owed.members, owed.currencies[0]?.active, owed.currencies[0]?.money, owed.currencies[0]?.undated],
      [1, 5010, 50.1, 5010],
    );
    jo.close();
  });

  it("become members with a card that nobody has", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const card = "loyalty_card:4000123412341234";
    const join = async (): Promise<string> =>
      (await shop.post("/v1/loyalty/members", { customer: card })).expect<{ customer: string }>().customer;
    const customer = await join();
    assert.equal(await join(), customer);
    assert.equal((await shop.balance(card)).active, 0);
  });

  it("read every refusal there is", async () => {
    const shop = await open("2026-03-01T09:00:00Z");
    const { items } = (await shop.site.client.get("/v1/loyalty/refusals")).expect<{ items: { code: string }[] }>();
    for (const code of ["INSUFFICIENT_POINTS", "CouponNotFound", "REDEMPTION_CONFLICT", "SAME_PERSON"])
      assert.ok(items.some((item) => item.code === code));
    (await shop.site.client.get("/v1/loyalty/programmes/clud")).refused(404, "no_programme", /club/);
  });
});
