// Points earned and given back, by exact numbers: what becomes active when, what a till that was away brings, and what
// returns take back.
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Traits } from "../lib/documents.ts";
import { times, track } from "../lib/message.ts";
import {
  CLUB,
  discounts,
  earned,
  points,
  scenario,
  time,
  type Evaluation,
  type Replayed,
  type Returned,
} from "../lib/shop.ts";

interface Results {
  items: { status: string; code?: string; reply?: Evaluation | Replayed<Evaluation> }[];
}

describe("earning", () => {
  scenario(
    "waits for the event that names the order, and for no other",
    "2026-01-31T11:00:00Z",
    points({ pending: { on_event: "delivered" }, validity: { after: "12 months" } }),
    async (shop, person) => {
      const zoe = person();
      await shop.book(zoe, "o1", 80);
      await shop.book(zoe, "o2", 20);
      const entries = (await shop.statement(zoe)).length;
      await shop.clock("2026-03-10T11:00:00Z");
      await shop.tell(zoe, "delivered", { order_id: "nobody-knows" });
      await shop.tell(zoe, "shipped", { order_id: "o1" });
      const before = await shop.balance(zoe);
      assert.deepEqual([before.active, before.pending], [0, 100]);
      assert.equal((await shop.statement(zoe)).length, entries);
      (await shop.client.get("/v1/loyalty/orders/nobody-knows")).refused(404, "no_order");
      (await shop.back("nobody-knows", "r1")).refused(404, "no_order");
      await shop.tell(zoe, "delivered", { order_id: "o1" });
      await shop.tell(zoe, "delivered", { order_id: "o1" });
      const { balances, lots } = await shop.wallet(zoe);
      assert.deepEqual([balances[0]?.active, balances[0]?.pending], [80, 20]);
      assert.deepEqual(
        lots.map((lot) => [lot.left, lot.active_at?.slice(0, 10), lot.expires_on]),
        [
          [80, "2026-03-10", "2027-03-10"],
          [20, undefined, undefined],
        ],
      );
    },
  );

  interface Released {
    order: string;
    released: { programme: string; currency: string; amount: number }[];
  }
  const WAITING = points({ pending: { on_event: "delivered" }, validity: { after: "12 months" } });
  scenario("waits for no order that nobody has", "2026-01-31T11:00:00Z", WAITING, async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    const release = (order: string) => shop.post(`/v1/loyalty/orders/${order}/release`);
    const told = async (who: string, event: string, properties: Traits) => {
      const message = track({ userId: who.slice("user_id:".length) }, event, properties);
      const report = await shop.site.sender.take(message);
      assert.equal(report.taken, 1);
      return report.refused?.map(({ index, code }) => [index, code]);
    };
    const delivered = (who: string, order: string) => told(who, "delivered", { order_id: order });
    const entries = () => Promise.all([zoe, jo].map(async (one) => (await shop.statement(one)).length));
    await shop.book(zoe, "o1", 80);
    await shop.book(zoe, "o2", 20);
    await shop.book(jo, "o3", 5);
    assert.deepEqual(await entries(), [2, 1]);
    (await release("nobody-knows")).refused(404, "no_order");
    assert.deepEqual(await delivered(zoe, "nobody-knows"), [[0, "no_order"]]);
    assert.deepEqual(await delivered(zoe, "o3"), [[0, "no_order"]]); // another's
    assert.deepEqual(await told(zoe, "Order Refunded", { order_id: "nobody-knows" }), [[0, "no_order"]]);
    const more = { order_id: "o1", products: [{ sku: "A", quantity: 2 }] };
    assert.deepEqual(await told(zoe, "Order Refunded", more), [[0, "RETURN_EXCEEDS_SOLD"]]);
    assert.deepEqual(await entries(), [2, 1]);
    assert.deepEqual([(await shop.balance(zoe)).pending, (await shop.balance(jo)).pending], [100, 5]);

    await shop.clock("2026-03-10T11:00:00Z");
    const released = (await release("o1")).expect<Released>();
    assert.deepEqual(released, { order: "o1", released: [{ programme: "club", currency: "points", amount: 80 }] });
    assert.deepEqual((await release("o1")).expect<Released>().released, []);
    assert.equal(await delivered(zoe, "o1"), undefined);
    assert.equal(await delivered(zoe, "o2"), undefined);
    const { balances, lots } = await shop.wallet(zoe);
    assert.deepEqual([balances[0]?.active, balances[0]?.pending], [100, 0]);
    assert.deepEqual(
      lots.map((lot) => [lot.left, lot.active_at?.slice(0, 10), lot.expires_on]),
      [
        [80, "2026-03-10", "2027-03-10"],
        [20, "2026-03-10", "2027-03-10"],
      ],
    );
    // What waits although its programme asks for no event any more is not lost.
    await shop.put("programmes", CLUB);
    assert.equal(await delivered(jo, "o3"), undefined);
    assert.equal((await shop.balance(jo)).pending, 5);
    assert.equal((await release("o3")).expect<Released>().released[0]?.amount, 5);
    assert.equal(await shop.active(jo), 5);
  });

  scenario(
    "what was spent does not expire",
    "2026-05-31T11:00:00Z",
    points({ validity: { after: "30 days" } }),
    async (shop, person) => {
      const zoe = person();
      await shop.book(zoe, "o1", 100);
      assert.equal((await shop.wallet(zoe)).lots[0]?.expires_on, "2026-06-30");
      await shop.clock("2026-06-01T11:00:00Z");
      (await shop.burn(zoe, 100)).expect();
      await shop.put("programmes", points({ validity: { end_of: "year" } }));
      await shop.clock("2026-06-10T11:00:00Z");
      await shop.book(zoe, "o2", 40);
      await shop.clock("2026-07-01T11:00:00Z");
      const { balances, lots } = await shop.wallet(zoe);
      assert.deepEqual([balances[0]?.active, balances[0]?.available, balances[0]?.expired], [40, 40, 0]);
      assert.deepEqual(
        lots.map((lot) => [lot.left, lot.expires_on]),
        [[40, "2026-12-31"]],
      );
    },
  );

  const MAY = {
    ...CLUB,
    offline: { lateness: "7 days" },
    rules: [
      { id: "purchase", on: "Order Completed", earn: "floor(paid)", caps: [{ most: 100, per: "month" }] },
      { id: "unused", on: "Never Sent", earn: "1" },
    ],
  };
  const DOUBLE = {
    id: "double",
    programme: "club",
    from: "2026-05-31",
    to: "2026-05-31",
    rules: [{ id: "twice", on: "Order Completed", earn: "floor(paid)", caps: [{ most: 60, per: "month" }] }],
  };
  const SOLD = "2026-05-31T22:10:00+02:00";

  scenario("of a late sale is that of its day", "2026-06-02T09:00:00Z", MAY, async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    await shop.put("campaigns", DOUBLE);
    assert.equal(earned(await shop.book(zoe, "t1", 40, { business_time: SOLD })), 80);
    const [first] = await shop.statement(zoe);
    assert.deepEqual(
      [time(first?.effective_at ?? ""), time(first?.recorded_at ?? "")],
      [time(SOLD), time("2026-06-02T09:00:00Z")],
    );
    // The caps of May are charged: 60 - 40 are left of the campaign's.
    assert.equal(earned(await shop.book(zoe, "t2", 40, { business_time: SOLD })), 40 + 20);
    // Those of June are not: 100 are left, and of May 20.
    assert.equal(earned(await shop.book(zoe, "t3", 130)), 100);
    assert.equal(earned(await shop.book(zoe, "t4", 40, { business_time: SOLD })), 20);
    await shop.clock("2026-06-08T09:00:00Z");
    for (let times = 0; times < 3; times++)
      // kept once
      (await shop.order(jo, "t5", [{ sku: "A", price: 40 }], { business_time: SOLD })).refused(422, "TOO_LATE");
    assert.equal(await shop.client.find(jo), undefined);
    const { items } = await shop.client.asides({ code: "TOO_LATE", limit: 10 });
    assert.equal(items.length, 1);
    assert.equal((items[0]?.event?.["cart"] as { order_id?: string } | undefined)?.order_id, "t5");
    // What was booked in time is told again, and is not kept for a person.
    const again = await shop.order(zoe, "t1", [{ sku: "A", price: 40 }], { business_time: SOLD });
    assert.equal(earned(again.expect<Replayed<Evaluation>>().reply), 80);
    assert.equal((await shop.client.asides({ code: "TOO_LATE", limit: 10 })).items.length, 1);
    assert.equal(await shop.active(zoe), 80 + 60 + 100 + 20);
  });

  scenario("of a batch is once, however often it is sent", "2026-06-02T09:00:00Z", CLUB, async (shop, person) => {
    const people = times(10, () => person());
    const item = (i: number): object => ({
      order: {
        ...shop.basket(people[i % 10] ?? "", `t${i}`, [{ sku: "A", price: 1 + i }]),
        business_time: "2026-06-01T12:00:00+02:00",
      },
    });
    const items = [...times(50, item), item(7), ...times(47, (i) => item(50 + i)), item(7), item(60)];
    const send = async (key: string): Promise<Results["items"]> =>
      (await shop.post("/v1/loyalty/till/batch", { items }, { "idempotency-key": key })).expect<Results>().items;
    const ids = (results: Results["items"]): (string | undefined)[] =>
      results.map(({ reply }) => (reply && "replayed" in reply ? reply.reply.order : reply?.order));
    const count = (results: Results["items"], status: string): number =>
      results.filter((result) => result.status === status).length;
    const state = async (): Promise<unknown[]> =>
      Promise.all(people.map(async (one) => [(await shop.statement(one)).length, await shop.balance(one)]));
    const first = await send("batch-1");
    assert.deepEqual([count(first, "booked"), count(first, "replayed")], [97, 3]);
    const before = await state();
    const second = await send("batch-2");
    assert.deepEqual([count(second, "booked"), count(second, "replayed")], [0, 100]);
    assert.deepEqual(ids(second), ids(first));
    assert.equal(new Set(ids(second)).size, 97);
    assert.deepEqual(await state(), before);
    const credits = (await Promise.all(people.map((one) => shop.statement(one)))).flat();
    assert.equal(credits.filter(({ kind }) => kind === "earn").length, 97);
    const sum = (await Promise.all(people.map((one) => shop.active(one)))).reduce((all, one) => all + one, 0);
    assert.equal(sum, (97 * 98) / 2);
  });
});

describe("returns", () => {
  scenario("pay back the share of each line to the cent", "2026-03-01T09:00:00Z", CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("vouchers", { id: "TEN", programme: "club", discount: { amount: "10.00" } });
    await shop.put("vouchers", { id: "TENTH", programme: "club", discount: { percent: 10 } });
    await shop.code("TEN", "TEN");
    await shop.code("TENTH", "TENTH");
    const lines = times(3, (i) => ({ sku: `S${i}`, price: 100, line_id: `l${i}` }));
    const order = await shop.book(zoe, "o1", lines, { codes: ["TEN"] });
    const shares = order.effects.find(({ type }) => type === "discount")?.lines;
    assert.deepEqual(
      shares?.map(({ line_id, amount }) => [line_id, amount]),
      [
        ["l0", 3.34],
        ["l1", 3.33],
        ["l2", 3.33],
      ],
    );
    assert.deepEqual(discounts(order), [10]);
    const refunds = [];
    for (const { line_id } of lines)
      refunds.push((await shop.back("o1", `r-${line_id}`, [{ line_id }])).expect<Returned>().refund.amount);
    assert.deepEqual(refunds, [96.66, 96.67, 96.67]);
    assert.equal(await shop.active(zoe), 0);

    const tenth = await shop.book(zoe, "o2", [{ sku: "B", price: 100, quantity: 3, line_id: "b" }], {
      codes: ["TENTH"],
    });
    assert.deepEqual([tenth.totals.to_pay, earned(tenth)], [270, 270]);
    const back = (await shop.back("o2", "r2", [{ line_id: "b", quantity: 2 }])).expect<Returned>();
    assert.deepEqual([back.refund.amount, back.points[0]?.taken_back], [180, 180]);
    assert.equal(await shop.active(zoe), 90);
  });

  scenario("take no more than was sold, and once", "2026-03-01T09:00:00Z", CLUB, async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    const two = [{ sku: "A", price: 20, quantity: 2, line_id: "a" }];
    const one = [{ line_id: "a", quantity: 1 }];
    assert.equal(earned(await shop.book(zoe, "o1", two)), 40);
    const taken = [];
    for (const id of ["r1", "r2"])
      taken.push((await shop.back("o1", id, one)).expect<Returned>().points[0]?.taken_back);
    assert.deepEqual(taken, [20, 20]);
    (await shop.back("o1", "r3", one)).refused(422, "RETURN_EXCEEDS_SOLD");
    assert.equal(await shop.active(zoe), 0);

    await shop.book(jo, "o2", two);
    const replies = await Promise.all(times(50, () => shop.back("o2", "same", one)));
    const bodies = replies.map((reply) => reply.expect<Returned | Replayed<Returned>>());
    assert.equal(bodies.filter((body) => "replayed" in body).length, 49);
    const first = bodies.find((body): body is Returned => !("replayed" in body));
    for (const body of bodies) if ("replayed" in body) assert.deepEqual(body.reply, first);
    assert.equal(await shop.active(jo), 20);
    assert.equal((await shop.statement(jo)).filter(({ kind }) => kind === "return").length, 1);
  });
});
