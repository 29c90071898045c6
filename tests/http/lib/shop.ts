// A shop with a loyalty programme on a clock that stands still, for scenarios with exact numbers. Whatever a scenario
// does, its books are checked when it is over: a member's movements add up to what she is told she has, no lot is below
// zero, and `rapport check` finds no counter, code or timer that does not agree with the rest.
import assert from "node:assert/strict";
import { it } from "node:test";
import type { Client, Reply } from "./client.ts";
import { at } from "./client.ts";
import type { Traits } from "./documents.ts";
import { track } from "./message.ts";
import { until } from "./poll.ts";
import { openSite, type Site } from "./server.ts";

export interface Balance {
  currency: string;
  active: number;
  pending: number;
  held: number;
  debt: number;
  available: number;
  spent: number;
  expired: number;
  uncollected?: number;
}
export interface Lot {
  id: string;
  currency: string;
  amount: number;
  left: number;
  pending: number;
  held: number;
  earned_at: string;
  active_at?: string;
  expires_on?: string;
}
export interface Wallet {
  programme: string;
  balances: Balance[];
  lots: Lot[];
  tier?: { level: string; qualifying: number };
}
export interface Code {
  code: string;
  voucher: string;
  state: string;
  reason?: string;
  flagged?: true;
  uses: number;
  balance?: number;
}
export interface Member {
  customer: string;
  programmes: Wallet[];
  vouchers: Code[];
}
export interface Effect {
  type: string;
  amount: number;
  rule?: string;
  code?: string;
  lines?: { line_id: string; amount: number }[];
}
export interface Evaluation {
  customer: string;
  order?: string;
  effects: Effect[];
  rejected: { code?: string; rule?: string; reason: string }[];
  totals: { amount: number; discount: number; tax: number; due: number; paid_with_cards: number; to_pay: number };
}
export interface Returned {
  refund: { amount: number; money: number; tenders: { card?: string; amount: number }[] };
  points: { taken_back: number; uncollected: number }[];
}
export interface Replayed<T> {
  replayed: true;
  reply: T;
}
export interface Posting {
  id: string;
  kind: string;
  programme: string;
  reference?: string;
  effective_at: string;
  recorded_at: string;
  entries: { currency: string; from: string; to: string; amount: number; lot?: string }[];
}
export interface Line {
  sku: string;
  price: number;
  quantity?: number;
  line_id?: string;
}

export const CLUB = {
  id: "club",
  name: "The club",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points", worth: "0.01" }],
  rules: [{ id: "purchase", on: "Order Completed", earn: "floor(paid)" }],
  stacking: { codes: "partial" },
};

/** The club with other terms for its points. */
export function points(more: object): object {
  return { ...CLUB, currencies: [{ id: "points", worth: "0.01", ...more }] };
}

export const earned = (order: Evaluation): number =>
  order.effects.filter(({ type }) => type === "points").reduce((sum, { amount }) => sum + amount, 0);
export const discounts = (order: Evaluation): number[] =>
  order.effects.filter(({ type }) => type === "discount").map(({ amount }) => amount);
export const time = (text: string): number => Date.parse(text);

const OWN_ACCOUNTS = ["active", "pending", "held", "debt", "spent", "expired"] as const;
const AUDIT_MS = 20_000;

export class Shop {
  readonly site: Site;
  private readonly people = new Set<string>();

  constructor(site: Site) {
    this.site = site;
  }

  get client(): Client {
    return this.site.client;
  }

  // --- what a scenario does

  post(path: string, body: object = {}, headers: Record<string, string> = {}): Promise<Reply> {
    return this.client.ask("POST", path, { body, headers });
  }
  async put(kind: string, document: object): Promise<void> {
    (await this.client.ask("PUT", `/v1/loyalty/${kind}`, { body: document })).expect();
  }
  clock(now: string): Promise<void> {
    return this.client.holdClock(now);
  }
  /** The reference of a new customer, whose books are checked at the end. */
  person(reference = `user_id:m${this.people.size + 1}`): string {
    this.people.add(reference);
    return reference;
  }
  /** An event of hers, as a shop's SDK sends it. */
  async tell(reference: string, event: string, properties: Traits = {}, timestamp?: string): Promise<void> {
    const userId = reference.replace(/^user_id:/, "");
    await this.site.sender.takeAll([track({ userId }, event, properties, timestamp ? { timestamp } : {})]);
  }
  basket(customer: string, order: string, products: Line[], more: object = {}, cart: object = {}): object {
    return { customer, cart: { order_id: order, products, ...cart }, ...more };
  }
  order(customer: string, order: string, products: Line[], more: object = {}, cart: object = {}): Promise<Reply> {
    return this.post("/v1/loyalty/orders", this.basket(customer, order, products, more, cart));
  }
  /** An order that must be taken. */
  async book(
    customer: string,
    order: string,
    products: Line[] | number,
    more: object = {},
    cart: object = {},
  ): Promise<Evaluation> {
    const lines = typeof products === "number" ? [{ sku: "A", price: products }] : products;
    return (await this.order(customer, order, lines, more, cart)).expect<Evaluation>();
  }
  back(order: string, id: string, lines?: object[]): Promise<Reply> {
    return this.post(`/v1/loyalty/orders/${order}/returns`, { return_id: id, ...(lines ? { lines } : {}) });
  }
  burn(customer: string, amount: number, headers: Record<string, string> = {}): Promise<Reply> {
    return this.post("/v1/loyalty/points/burn", { customer, amount }, headers);
  }
  async adjust(customer: string, amount: number): Promise<void> {
    (await this.post("/v1/loyalty/points/adjust", { customer, amount, reason: "a scenario" })).expect();
  }
  async code(voucher: string, code: string, more: object = {}): Promise<void> {
    (await this.post("/v1/loyalty/codes", { voucher, code, ...more })).expect();
  }
  redeem(code: string, more: object = {}): Promise<Reply> {
    return this.post("/v1/loyalty/codes/redeem", { code, ...more });
  }
  /** A key of its own, as a till or a web shop has one. */
  async as(name: string, scopes: string[]): Promise<Client> {
    const { key } = await this.client.makeKey({ kind: "secret", name, scopes });
    return this.site.server.client(key);
  }

  // --- what it sees

  async look(customer: string): Promise<Member> {
    return (await this.client.get(at(customer, "/loyalty"))).expect<Member>();
  }
  async wallet(customer: string): Promise<Wallet> {
    const wallet = (await this.look(customer)).programmes[0];
    assert.ok(wallet);
    return wallet;
  }
  async balance(customer: string): Promise<Balance> {
    const balance = (await this.wallet(customer)).balances[0];
    assert.ok(balance);
    return balance;
  }
  async active(customer: string): Promise<number> {
    return (await this.balance(customer)).active;
  }
  async level(customer: string): Promise<string | undefined> {
    return (await this.wallet(customer)).tier?.level;
  }
  async uses(code: string): Promise<number> {
    return (await this.client.get(`/v1/loyalty/codes/${code}`)).expect<Code>().uses;
  }
  /** All movements, the oldest first. */
  async statement(customer: string): Promise<Posting[]> {
    const all: Posting[] = [];
    for (let after: string | undefined; ;) {
      const reply = await this.client.get(at(customer, "/statement"), { limit: 500, after });
      const page = reply.expect<{ items: Posting[]; next: string | null }>();
      all.push(...page.items);
      if (page.next === null) return all.reverse();
      after = page.next;
    }
  }
  /** What loyalty told on her timeline, in the order in which it happened: "Points Activated 100". */
  async news(customer: string): Promise<string[]> {
    const events = await this.client.allEvents(customer);
    return events
      .filter(({ message_id }) => message_id?.startsWith("loyalty-") === true)
      .sort((a, b) => Number(a.message_id?.slice(8)) - Number(b.message_id?.slice(8)))
      .map(({ name, properties }) => `${name} ${String(properties?.["tier"] ?? properties?.["amount"] ?? "")}`.trim());
  }

  // --- what holds after every scenario

  async audit(): Promise<void> {
    for (const person of this.people)
      if ((await this.client.find(person)) !== undefined)
        // What fell due is told at once, and written when the timers come to it.
        await until(`the books of ${person} agree`, AUDIT_MS, async () => {
          await this.auditOne(person);
          return true;
        });
    const check = await this.client.ended(await this.client.startCheck());
    assert.deepEqual(check.check?.first, []);
    assert.equal(check.check?.breaches, 0);
  }

  private async auditOne(person: string): Promise<void> {
    const [member, statement] = [await this.look(person), await this.statement(person)];
    for (const { programme, balances, lots } of member.programmes) {
      for (const lot of lots) assert.ok(lot.left >= 0 && lot.pending >= 0 && lot.held >= 0, JSON.stringify(lot));
      for (const balance of balances) {
        const accounts = new Map<string, number>();
        const add = (name: string, amount: number): unknown => accounts.set(name, (accounts.get(name) ?? 0) + amount);
        for (const posting of statement.filter((one) => one.programme === programme))
          for (const { currency, from, to, amount } of posting.entries) {
            if (currency !== balance.currency) continue;
            assert.ok(amount > 0);
            add(from, -amount);
            add(to, amount);
          }
        for (const name of OWN_ACCOUNTS) assert.equal(accounts.get(name) ?? 0, balance[name], `${person}: ${name}`);
        const sum = [...accounts.values()].reduce((all, amount) => all + amount, 0);
        assert.equal(sum, 0);
        const left = lots.filter((lot) => lot.currency === balance.currency).reduce((all, lot) => all + lot.left, 0);
        assert.equal(left, balance.active + balance.pending + balance.held, `${person}: lots`);
      }
    }
  }
}

/** The same of a test that has no Shop: its books, and those of these people. */
export async function audit(site: Site, people: Iterable<string>): Promise<void> {
  const shop = new Shop(site);
  for (const person of people) shop.person(person);
  await shop.audit();
}

/** One test on a server of its own; its books are checked at its end. */
export function scenario(
  name: string,
  now: string,
  programme: object,
  run: (shop: Shop, person: (reference?: string) => string) => Promise<void>,
): void {
  it(name, async () => {
    const site = await openSite({ args: ["--test-clock", now] });
    try {
      const shop = new Shop(site);
      await shop.put("programmes", programme);
      await run(shop, (reference) => shop.person(reference));
      await shop.audit();
    } finally {
      await site.close();
    }
  });
}
