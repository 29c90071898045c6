// Friends who are brought along: the voucher of the one, the points of the other, and how both are taken back.
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { Reply } from "../lib/client.ts";
import { openSite, type Site } from "../lib/server.ts";
import { audit } from "../lib/shop.ts";

interface Referral {
  programme: string;
  friend?: string;
  advocate: string;
  state: string;
  voucher?: string;
  order?: string;
  reward?: number;
  replayed?: boolean;
}
interface Member {
  customer: string;
  programmes: { balances: { active: number; pending: number; spent: number }[] }[];
  vouchers: { code: string; voucher: string; state: string }[];
  referrals?: Referral[];
}
interface Order {
  effects: { type: string; amount: number; code?: string }[];
  totals: { amount: number; discount: number; due: number };
  replayed?: boolean;
}

const CLUB = {
  id: "club",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points", pending: { after: "14 days" } }],
  stacking: { codes: "partial" },
};
const FRIEND = { id: "FRIEND", programme: "club", discount: { amount: "10.00" }, uses: { per_code: 1 }, minimum: "50.00" };
const INVITE = { id: "INVITE", programme: "club", discount: { amount: "1.00" } };
const MUG = { id: "MUG", programme: "club", discount: { amount: "5.00" }, uses: { per_code: 1 } };

class Club {
  readonly site: Site;
  constructor(site: Site) {
    this.site = site;
  }
  post(path: string, body: object = {}, headers: Record<string, string> = {}): Promise<Reply> {
    return this.site.client.ask("POST", `/v1/loyalty/${path}`, { body, headers });
  }
  refer(advocate: string, friend: string): Promise<Reply> {
    return this.post("referrals", { advocate, friend });
  }
  async join(customer: string): Promise<void> {
    (await this.post("members", { customer })).expect();
  }
  async buy(customer: string, order: string, price: number, codes: string[] = []): Promise<Order> {
    const cart = { order_id: order, products: [{ line_id: "1", sku: "A", price }] };
    return (await this.post("orders", { customer, cart, codes })).expect<Order>();
  }
  async look(customer: string): Promise<Member> {
    return (await this.site.client.get(`/v1/customers/${encodeURIComponent(customer)}/loyalty`)).expect<Member>();
  }
  async has(customer: string): Promise<{ active: number; pending: number }> {
    const balance = (await this.look(customer)).programmes[0]?.balances[0];
    return { active: balance?.active ?? 0, pending: balance?.pending ?? 0 };
  }
  async state(friend: string): Promise<string | undefined> {
    return (await this.look(friend)).referrals?.[0]?.state;
  }
  async names(customer: string): Promise<string[]> {
    const reply = await this.site.client.get(`/v1/customers/${encodeURIComponent(customer)}/events?limit=100`);
    return reply.expect<{ items: { event?: string; name?: string }[] }>().items.map((item) => item.event ?? item.name ?? "");
  }
}

const opened: Site[] = [];

// Whatever a test did, its books agree.
afterEach(async () => {
  for (const site of opened.splice(0)) {
    try {
      await audit(site, [LEA, ZOE, "loyalty_card:9"]);
    } finally {
      await site.close();
    }
  }
});

async function open(more: object = {}): Promise<Club> {
  const site = await openSite({ args: ["--test-clock", "2026-03-01T09:00:00Z"] });
  opened.push(site);
  const club = new Club(site);
  const put = async (kind: string, document: object): Promise<void> => {
    (await site.client.ask("PUT", `/v1/loyalty/${kind}`, { body: document })).expect();
  };
  await put("programmes", CLUB);
  for (const voucher of [FRIEND, INVITE, MUG]) await put("vouchers", voucher);
  await put("programmes", { ...CLUB, referral: { friend: "FRIEND", minimum: "50.00", reward: 500 }, ...more });
  return club;
}

const LEA = "email:lea@exemple.fr";
const ZOE = "email:zoe@exemple.fr";

describe("a referral", () => {
  it("gives the friend a voucher, and the advocate points that are pending for fourteen days", async () => {
    const club = await open();
    await club.join(LEA);
    const made = (await club.refer(LEA, ZOE)).expect<Referral>();
    assert.equal(made.state, "PENDING");
    assert.ok(made.voucher);
    const order = await club.buy(ZOE, "z1", 60, [made.voucher]);
    assert.deepEqual(order.totals, { ...order.totals, amount: 60, discount: 10, due: 50 });
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 500 });
    const told = (await club.look(ZOE)).referrals?.[0];
    assert.deepEqual([told?.state, told?.order, told?.reward], ["REWARDED", "z1", 500]);
    assert.ok((await club.names(LEA)).includes("Referral Rewarded"));
    await club.site.client.holdClock("2026-03-20T09:00:00Z");
    assert.deepEqual(await club.has(LEA), { active: 500, pending: 0 });
  });

  it("is reversed when the order comes back, and no other order earns it again", async () => {
    const club = await open();
    await club.join(LEA);
    (await club.refer(LEA, ZOE)).expect();
    await club.buy(ZOE, "z1", 60);
    await club.site.client.holdClock("2026-03-11T09:00:00Z");
    (await club.post("orders/z1/returns", { return_id: "r1" })).expect();
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 0 });
    assert.equal(await club.state(ZOE), "REVERSED");
    assert.ok((await club.names(LEA)).includes("Referral Reversed"));
    await club.buy(ZOE, "z2", 100);
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 0 });
  });

  it("waits for an order of 50.00, of which 49.99 is none, and is paid once", async () => {
    const club = await open();
    await club.join(LEA);
    (await club.refer(LEA, ZOE)).expect();
    await club.buy(ZOE, "z1", 49.99);
    assert.equal(await club.state(ZOE), "PENDING");
    await club.buy(ZOE, "z2", 50);
    assert.ok((await club.buy(ZOE, "z2", 50)).replayed);
    await club.buy(ZOE, "z3", 70);
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 500 });
  });

  it("is paid once for an event that is sent again", async () => {
    const club = await open();
    await club.join(LEA);
    (await club.refer(LEA, ZOE)).expect();
    const order = {
      event: "Order Completed",
      messageId: "m1",
      context: { traits: { email: "zoe@exemple.fr" } },
      properties: { order_id: "w1", products: [{ sku: "A", price: 60, quantity: 1 }] },
    };
    for (let i = 0; i < 3; i++) (await club.site.client.ask("POST", "/v1/track", { body: order })).expect();
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 500 });
  });

  it("is reversed by a cancellation and paid again when the order is opened again", async () => {
    const club = await open();
    await club.join(LEA);
    (await club.refer(LEA, ZOE)).expect();
    await club.buy(ZOE, "z1", 60);
    (await club.post("orders/z1/cancel")).expect();
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 0 });
    (await club.post("orders/z1/reopen")).expect();
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 500 });
    assert.equal(await club.state(ZOE), "REWARDED");
  });

  it("is refused for oneself and for whoever was referred", async () => {
    const club = await open();
    await club.join(LEA);
    await club.join("email:eva@exemple.fr");
    (await club.post("codes", { voucher: "INVITE", code: "LEA-INVITES", customer: LEA })).expect();
    (await club.refer("LEA-INVITES", LEA)).refused(422, "ReferralRecipientIdSameAsAdvocate");
    assert.equal((await club.refer("lea-invites", ZOE)).expect<Referral>().state, "PENDING");
    (await club.refer("email:eva@exemple.fr", ZOE)).refused(422, "ReferralCustomerAlreadyReferred");
    assert.ok((await club.refer(LEA, ZOE)).expect<Referral>().replayed);
    assert.equal((await club.refer("NOBODY-HAS-IT", "email:max@exemple.fr")).status, 404);
  });

  it("may come with joining", async () => {
    const club = await open();
    await club.join(LEA);
    const joined = (await club.post("members", { customer: ZOE, referred_by: LEA })).expect<{ referral: Referral }>();
    assert.equal(joined.referral.state, "PENDING");
    await club.buy(ZOE, "z1", 60);
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 500 });
  });

  it("by oneself under another name is reversed when both turn out to be one", async () => {
    const club = await open();
    await club.join(LEA);
    (await club.refer(LEA, "loyalty_card:9")).expect();
    await club.buy("loyalty_card:9", "z1", 60);
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 500 });
    const body = { messageId: "same", context: { traits: { email: "lea@exemple.fr", loyalty_card: "9" } } };
    (await club.site.client.ask("POST", "/v1/identify", { body })).expect();
    assert.equal((await club.look(LEA)).customer, (await club.look("loyalty_card:9")).customer);
    assert.deepEqual(await club.has(LEA), { active: 0, pending: 0 });
    assert.equal(await club.state(LEA), "REVERSED");
  });
});

interface Given {
  voucher: { code: string };
  balance: { balances: { active: number; spent: number }[] };
}

describe("a reward that is asked for", () => {
  const REWARDS = { currencies: [{ id: "points" }], rewards: [{ id: "mug", voucher: "MUG", cost: 300 }] };
  const spent = async (club: Club): Promise<[number, number]> => {
    const balance = (await club.look(ZOE)).programmes[0]?.balances[0];
    return [balance?.active ?? 0, balance?.spent ?? 0];
  };
  const rich = async (): Promise<Club> => {
    const club = await open(REWARDS);
    await club.join(ZOE);
    (await club.post("points/adjust", { customer: ZOE, amount: 700, reason: "a test" })).expect();
    return club;
  };

  it("costs points and gives a voucher, once for a reference", async () => {
    const club = await rich();
    const ask = { customer: ZOE, reward: "mug", reference: "w1" };
    const given = (await club.post("rewards", ask)).expect<Given>();
    assert.equal(given.balance.balances[0]?.active, 400);
    assert.deepEqual((await club.post("rewards", ask)).expect(), { replayed: true, reply: given });
    assert.deepEqual(await spent(club), [400, 300]);
    assert.equal((await club.look(ZOE)).vouchers.length, 1);
    assert.equal((await club.buy(ZOE, "z1", 20, [given.voucher.code])).totals.due, 15);
    (await club.post("rewards", { customer: ZOE, reward: "mug" })).expect();
    (await club.post("rewards", { customer: ZOE, reward: "mug" })).refused(422, "INSUFFICIENT_POINTS");
    (await club.post("rewards", { customer: ZOE, reward: "cup" })).refused(404, "no_reward");
    assert.deepEqual(await spent(club), [100, 600]);
    assert.equal((await club.look(ZOE)).vouchers.length, 2);
  });

  it("is paid back when its code is cancelled before anybody used it", async () => {
    const club = await rich();
    const first = (await club.post("rewards", { customer: ZOE, reward: "mug" })).expect<Given>().voucher.code;
    const second = (await club.post("rewards", { customer: ZOE, reward: "mug" })).expect<Given>().voucher.code;
    assert.deepEqual(await spent(club), [100, 600]);
    assert.equal((await club.post(`codes/${first}/cancel`)).expect<{ points: number }>().points, 300);
    assert.deepEqual(await spent(club), [400, 300]);
    (await club.post(`codes/${first}/cancel`)).refused(422, "CouponCancelled");
    await club.buy(ZOE, "z1", 20, [second]);
    assert.equal((await club.post(`codes/${second}/cancel`)).expect<{ points?: number }>().points, undefined);
    assert.deepEqual(await spent(club), [400, 300]);
    (await club.post("orders/z1/cancel")).expect();
    assert.deepEqual(await spent(club), [400, 300]);
  });
});
