// The feed of what moved points, tiers and vouchers: in the order of the ledger, once each, and the same when it is read
// again.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Reply } from "../lib/client.ts";
import { until } from "../lib/poll.ts";
import { openSite, type Site } from "../lib/server.ts";

interface Change {
  cursor: string;
  kind?: string;
  segment?: string;
  customer: string;
  programme?: string;
  change: string;
  amount?: number;
  currency?: string;
  tier?: string;
  from?: string;
  code?: string;
  posting?: string;
}
interface Page {
  items: Change[];
  next: string;
}
interface Posting {
  id: string;
  kind: string;
}

const CLUB = {
  id: "club",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points", worth: "0.01" }],
};
const RULES = {
  ...CLUB,
  tiers: { levels: [{ id: "blue", from: 0 }, { id: "gold", from: 100, gift: "MUG" }] },
  rules: [
    { id: "purchase", on: "Order Completed", earn: "floor(paid)" },
    { id: "open", on: "Email Opened", earn: "1", once_by: "message", caps: [{ most: 5, per: "day" }] },
    { id: "review", on: "Reviewed", earn: "50", once_by: "line", withdrawn_by: "Review Deleted" },
  ],
};
const MUG = { id: "MUG", programme: "club", discount: { amount: "5.00" } };
const ZOE = "email:zoe@exemple.fr";

class Club {
  readonly site: Site;
  private number = 0;
  constructor(site: Site) {
    this.site = site;
  }
  post(path: string, body: object = {}): Promise<Reply> {
    return this.site.client.ask("POST", `/v1/loyalty/${path}`, { body });
  }
  async buy(order: string, price: number): Promise<void> {
    const cart = { order_id: order, products: [{ line_id: "1", sku: "A", price }] };
    (await this.post("orders", { customer: ZOE, cart })).expect();
  }
  async tell(event: string, properties: object): Promise<void> {
    const body = { event, messageId: `m${++this.number}`, context: { traits: { email: "zoe@exemple.fr" } }, properties };
    (await this.site.client.ask("POST", "/v1/track", { body })).expect();
  }
  async active(): Promise<number> {
    const reply = await this.site.client.get(`/v1/customers/${encodeURIComponent(ZOE)}/loyalty`);
    const member = reply.expect<{ programmes: { balances: { active: number }[] }[] }>();
    return member.programmes[0]?.balances[0]?.active ?? 0;
  }
  async changes(after = "", limit = 100, path = "loyalty/changes"): Promise<Page> {
    return (await this.site.client.get(`/v1/${path}`, { after, limit })).expect<Page>();
  }
}

async function open(): Promise<Club> {
  const site = await openSite({ args: ["--test-clock", "2026-03-01T09:00:00Z"] });
  after(() => site.close());
  const put = async (kind: string, document: object): Promise<void> => {
    (await site.client.ask("PUT", `/v1/loyalty/${kind}`, { body: document })).expect();
  };
  await put("programmes", CLUB);
  await put("vouchers", MUG);
  await put("programmes", RULES);
  return new Club(site);
}

const words = (page: Page): string[] => page.items.map((item) => `${item.kind ?? "segment"} ${item.change}`);

describe("the feed of loyalty", () => {
  it("tells every movement once, in the order of the ledger, and what followed from it", async () => {
    const club = await open();
    await club.buy("o1", 120);
    (await club.post("points/burn", { customer: ZOE, amount: 30 })).expect();
    (await club.post("orders/o1/returns", { return_id: "r1" })).expect();
    const page = await club.changes();
    assert.deepEqual(words(page).slice(0, 3), ["points earned", "tier upgraded", "voucher issued"]);
    assert.ok(words(page).includes("points spent"));
    const first = page.items[0];
    assert.deepEqual([first?.programme, first?.amount, first?.currency], ["club", 120, "points"]);
    const upgraded = page.items.find((item) => item.kind === "tier");
    assert.deepEqual([upgraded?.tier, upgraded?.from], ["gold", "blue"]);
    const reply = await club.site.client.get(`/v1/customers/${encodeURIComponent(ZOE)}/statement`);
    const ledger = reply.expect<{ items: Posting[] }>().items.map((item) => item.id).reverse();
    const told = page.items.filter((item) => item.kind === "points").map((item) => item.posting);
    assert.deepEqual(told, ledger);
  });

  it("is the same for whoever reads it again, in pages of any size", async () => {
    const club = await open();
    for (let i = 0; i < 5; i++) await club.buy(`o${i}`, 40);
    const whole = await club.changes();
    assert.equal(whole.items.filter((item) => item.kind === "tier").length, 1);
    for (let i = 0; i < 5; i++) assert.deepEqual(await club.changes(), whole);
    const read: Change[] = [];
    for (let next = "", page = await club.changes("", 1); page.items.length > 0; page = await club.changes(next, 1)) {
      read.push(...page.items);
      next = page.next;
    }
    assert.deepEqual(read, whole.items);
  });

  it("stands beside who entered which segment, whose own changes are as before", async () => {
    const club = await open();
    const segment = { id: "rich", include: 'points("club") >= 100' };
    (await club.site.client.ask("POST", "/v1/segments", { body: segment })).expect();
    await until("the segment is live", 10_000, async () => {
      const { status } = (await club.site.client.get("/v1/segments/rich")).expect<{ status: string }>();
      return status === "live" ? status : undefined;
    });
    await club.buy("o1", 120);
    const all = await club.changes("", 100, "changes");
    assert.deepEqual(words(all), ["points earned", "tier upgraded", "voucher issued", "segment entered"]);
    const own = await club.changes("", 100, "segments/rich/changes");
    assert.deepEqual(own.items, all.items.slice(3));
    assert.deepEqual((await club.changes()).items, all.items.slice(0, 3));
    assert.equal((await club.changes()).next, all.next);
  });

  it("tells of behaviour what it earned and lost", async () => {
    const club = await open();
    for (let i = 0; i < 10; i++) await club.tell("Email Opened", { message: "spring" });
    assert.equal(await club.active(), 1);
    await club.site.client.holdClock("2026-03-02T09:00:00Z");
    for (let i = 0; i < 7; i++) await club.tell("Email Opened", { message: `news ${i}` });
    assert.equal(await club.active(), 6);
    await club.tell("Reviewed", { line: "o1-1" });
    assert.equal(await club.active(), 56);
    await club.tell("Review Deleted", { line: "o1-1" });
    assert.equal(await club.active(), 6);
    await club.tell("Reviewed", { line: "o1-1" });
    assert.equal(await club.active(), 56);
    const amounts = (await club.changes()).items.map((item) => (item.change === "returned" ? -1 : 1) * (item.amount ?? 0));
    assert.deepEqual(amounts, [1, 1, 1, 1, 1, 1, 50, -50, 50]);
  });
});
