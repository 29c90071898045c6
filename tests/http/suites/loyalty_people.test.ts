// Two members who are one, and what members do besides buying, told once and in order.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { identify, times, track } from "../lib/message.ts";
import { until } from "../lib/poll.ts";
import { CLUB, points, scenario } from "../lib/shop.ts";

const tiers = (gold: number): object => ({
  currency: "points",
  levels: [
    { id: "standard", from: 0 },
    { id: "premium", from: gold },
  ],
});

describe("two members who are one", () => {
  const programme = { ...points({ validity: { after: "12 months" } }), tiers: tiers(100) };
  scenario(
    "have their points with their dates, one welcome and the better level",
    "2026-01-10T09:00:00Z",
    programme,
    async (shop, person) => {
      const web = person("user_id:web");
      const card = person("loyalty_card:C-0042");
      await shop.put("vouchers", {
        id: "WELCOME",
        programme: "club",
        discount: { amount: "10.00" },
        uses: { per_code: 1 },
        entitlement: { period: "once" },
      });
      await shop.book(web, "w1", 120);
      await shop.code("WELCOME", "WEB10", { customer: web });
      await shop.clock("2026-02-10T09:00:00Z");
      await shop.book(card, "s1", 80);
      await shop.code("WELCOME", "STORE10", { customer: card });
      assert.deepEqual([await shop.level(web), await shop.level(card)], ["premium", "standard"]);
      const [survivor, merged] = [(await shop.look(web)).customer, (await shop.look(card)).customer];
      assert.notEqual(survivor, merged);
      await shop.clock("2026-03-01T09:00:00Z");
      const shared = identify({ userId: "web" }, { loyalty_card: "C-0042" });
      for (let i = 0; i < 2; i++) {
        await shop.site.sender.takeAll([i === 0 ? shared : identify({ userId: "web" }, { loyalty_card: "C-0042" })]);
        for (const reference of [web, card, survivor, merged]) {
          const { customer, programmes, vouchers } = await shop.look(reference);
          assert.equal(customer, survivor);
          assert.equal(programmes.length, 1);
          assert.deepEqual([programmes[0]?.tier?.level, programmes[0]?.tier?.qualifying], ["premium", 200]);
          assert.equal(programmes[0]?.balances[0]?.active, 200);
          const lots = programmes[0]?.lots.map((lot) => [lot.left, lot.earned_at.slice(0, 10), lot.expires_on]);
          assert.deepEqual(lots?.sort(), [
            [120, "2026-01-10", "2027-01-10"],
            [80, "2026-02-10", "2027-02-10"],
          ]);
          assert.deepEqual(
            vouchers.map(({ state, reason }) => [state, reason]).sort(),
            [
              ["active", undefined],
              ["cancelled", "DUPLICATE_ON_MERGE"],
            ].sort(),
          );
        }
      }
      const found = await shop.client.customer(merged);
      assert.ok(found.id === survivor && found.trace.aliases.includes(merged));
      const codes = (await shop.look(web)).vouchers;
      const good = codes.find(({ state }) => state === "active")?.code ?? "";
      const gone = codes.find(({ state }) => state === "cancelled")?.code ?? "";
      (await shop.redeem(gone, { customer: web })).refused(422, "CouponCancelled");
      (await shop.redeem(good, { customer: card })).expect();
    },
  );
});

describe("what members do", () => {
  const rules = [
    ...CLUB.rules,
    { id: "opened", on: "Email Opened", earn: "1", once_by: "email_id", caps: [{ most: 5, per: "day" }] },
    { id: "review", on: "Review Posted", earn: "50", once_by: "line_id", withdrawn_by: "Review Deleted" },
    { id: "survey", on: "Survey Answered", earn: "10", once_by: "survey_id" },
  ];
  scenario("earns once each", "2026-03-01T09:00:00Z", { ...CLUB, rules }, async (shop, person) => {
    const [zoe, jo] = [person(), person()];
    for (let i = 0; i < 10; i++) await shop.tell(zoe, "Email Opened", { email_id: "e1" });
    assert.equal(await shop.active(zoe), 1);
    await shop.clock("2026-03-02T09:00:00Z");
    for (let i = 0; i < 7; i++) await shop.tell(zoe, "Email Opened", { email_id: `f${i}` });
    assert.equal(await shop.active(zoe), 1 + 5);
    for (let i = 0; i < 3; i++) await shop.tell(zoe, "Survey Answered", { survey_id: "s1" });
    assert.equal(await shop.active(zoe), 6 + 10);

    const review = { line_id: "o1-l1" };
    const seen = [];
    for (const event of ["Review Posted", "Review Posted", "Review Deleted", "Review Posted"]) {
      await shop.tell(jo, event, review);
      seen.push(await shop.active(jo));
    }
    assert.deepEqual(seen, [50, 50, 0, 50]);
    await shop.tell(jo, "Review Posted", { line_id: "o1-l2" });
    assert.equal(await shop.active(jo), 100);
  });

  interface Changes {
    items: { cursor: string; kind?: string; segment?: string; customer: string; change: string; at: string }[];
    next: string;
  }
  const levels = { ...CLUB, tiers: tiers(500) };
  scenario(
    "and who they are is told once, in the order of the ledger",
    "2026-03-01T09:00:00Z",
    levels,
    async (shop, person) => {
      const { client, sender } = shop.site;
      const people = times(5, () => person());
      const segment = { id: "best", name: "Best", include: 'tier("club") = "premium"' };
      await sender.takeAll([track({ userId: "nobody" }, "Seen")]);
      (await client.ask("PUT", "/v1/segments", { body: segment })).expect();
      await until("the segment is live", 10_000, async () => {
        const { status } = (await client.get("/v1/segments/best")).expect<{ status: string }>();
        return status === "live" ? true : undefined;
      });
      const { next: from } = (await client.get("/v1/changes", { limit: 1000 })).expect<Changes>();
      const read = async (): Promise<Changes["items"]> =>
        (await client.get("/v1/changes", { after: from, limit: 1000 })).expect<Changes>().items;
      const ids = [];
      for (const [i, one] of people.entries()) {
        ids.push((await shop.book(one, `o${i}`, 499)).customer);
        await shop.book(one, `p${i}`, 1);
        await shop.book(one, `q${i}`, 1);
      }
      const reads = [];
      for (let i = 0; i < 5; i++) reads.push(await read());
      for (const items of reads) assert.deepEqual(items, reads[0]);
      const ofTiers = reads[0]?.filter((item) => item.segment !== undefined || item.kind === "tier");
      assert.deepEqual(
        ofTiers?.map((item) => [item.customer, item.change]),
        ids.flatMap((id) => [
          [id, "upgraded"],
          [id, "entered"],
        ]),
      );
      const best = { expression: 'tier("club") = "premium" and points("club") = 501' };
      const counted = (await client.ask("POST", "/v1/query/count", { body: best })).expect<{ count: number }>();
      assert.equal(counted.count, people.length);
      for (const one of people) {
        const told = async (): Promise<string[]> =>
          (await client.allEvents(one)).flatMap((event) => (event.name === "Tier Upgraded" ? [event.id] : []));
        const first = await told();
        assert.equal(first.length, 1);
        for (let i = 0; i < 5; i++) assert.deepEqual(await told(), first);
      }
    },
  );
});
