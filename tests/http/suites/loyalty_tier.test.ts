// Levels of members: reached, kept, lost and won by exact numbers; what falls due in one instant; points that lapse
// while they are spent and while the program dies.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Client } from "../lib/client.ts";
import { times } from "../lib/message.ts";
import { sleep, until } from "../lib/poll.ts";
import { LONG, must } from "../lib/program.ts";
import { Server } from "../lib/server.ts";
import { CLUB, earned, points, scenario, type Member, type Returned, type Shop } from "../lib/shop.ts";
import { makeWorkspace, removeWorkspace } from "../lib/workspace.ts";

const MARCH = "2026-03-01T09:00:00Z";
const LEVELS = [
  { id: "standard", from: 0 },
  { id: "premium", from: 500 },
  { id: "vip", from: 1500, gift: "VIP" },
];
const tiers = (more: object = {}): object => ({ currency: "points", levels: LEVELS, ...more });

async function steady(shop: Shop): Promise<void> {
  await shop.put("programmes", CLUB);
  await shop.put("vouchers", { id: "VIP", programme: "club", discount: { percent: 10 }, uses: { per_code: 1 } });
}

describe("a level", () => {
  scenario("is reached at once at its number", MARCH, CLUB, async (shop, person) => {
    await steady(shop);
    await shop.put("programmes", { ...CLUB, tiers: tiers() });
    const zoe = person();
    await shop.book(zoe, "o1", 480);
    assert.equal(await shop.level(zoe), "standard");
    await shop.book(zoe, "o2", 0);
    assert.equal(await shop.level(zoe), "standard");
    await shop.book(zoe, "o3", 20);
    assert.equal(await shop.level(zoe), "premium");
    (await shop.burn(zoe, 400)).expect();
    await shop.book(zoe, "o4", 0);
    const { tier, balances } = await shop.wallet(zoe);
    assert.deepEqual([tier?.level, tier?.qualifying, balances[0]?.active], ["premium", 500, 100]);
    assert.deepEqual(
      (await shop.news(zoe)).filter((one) => one.startsWith("Tier")),
      ["Tier Upgraded premium"],
    );
  });

  scenario("counts what is active, and nothing that is pending", MARCH, CLUB, async (shop, person) => {
    await steady(shop);
    await shop.put("programmes", { ...points({ pending: { after: "14 days" } }), tiers: tiers() });
    const zoe = person();
    await shop.book(zoe, "o1", 480);
    await shop.clock("2026-03-02T09:00:00Z");
    await shop.book(zoe, "o2", 20);
    await shop.clock("2026-03-15T09:00:00Z");
    assert.deepEqual([await shop.level(zoe), (await shop.wallet(zoe)).tier?.qualifying], ["standard", 480]);
    await shop.clock("2026-03-16T08:59:59Z");
    assert.equal(await shop.level(zoe), "standard");
    await shop.clock("2026-03-16T09:00:00Z");
    assert.deepEqual([await shop.level(zoe), (await shop.wallet(zoe)).tier?.qualifying], ["premium", 500]);
  });

  const TWICE = { id: "vip", on: "Order Completed", when: 'tier("club") = "vip"', earn: "floor(paid)" };
  for (const [after_return, used, level] of [
    ["revert", false, "premium"],
    ["revert", true, "premium"],
    ["no_revert", false, "vip"],
  ] as const) {
    const name = `that a return took away, ${after_return}, its gift ${used ? "used" : "unused"}`;
    scenario(name, MARCH, CLUB, async (shop, person) => {
      await steady(shop);
      const rules = [...CLUB.rules, TWICE];
      await shop.put("programmes", { ...CLUB, rules, tiers: tiers({ after_return }) });
      const zoe = person();
      await shop.book(zoe, "o1", 1450);
      assert.equal(await shop.level(zoe), "premium");
      await shop.book(zoe, "o2", 300);
      const { programmes, vouchers } = await shop.look(zoe);
      assert.deepEqual([programmes[0]?.tier?.level, programmes[0]?.tier?.qualifying], ["vip", 1750]);
      assert.deepEqual(
        vouchers.map(({ voucher, state }) => [voucher, state]),
        [["VIP", "active"]],
      );
      const code = vouchers[0]?.code ?? "";
      const later = await shop.book(zoe, "o3", 20, used ? { codes: [code] } : {});
      const doubled = used ? 36 : 40;
      assert.equal(earned(later), doubled);
      assert.equal((await shop.back("o2", "r1")).expect<Returned>().points[0]?.taken_back, 300);
      const now = await shop.look(zoe);
      assert.equal(now.programmes[0]?.tier?.level, level);
      assert.deepEqual(
        [now.programmes[0]?.tier?.qualifying, now.programmes[0]?.balances[0]?.active],
        [1450 + doubled, 1450 + doubled],
      );
      const gift = now.vouchers[0];
      assert.equal(now.vouchers.length, 1);
      if (after_return === "no_revert") assert.deepEqual([gift?.state, gift?.flagged], ["active", undefined]);
      else if (used) assert.deepEqual([gift?.state, gift?.flagged, gift?.uses], ["active", true, 1]);
      else assert.equal(gift?.state, "cancelled");
    });
  }
});

const GOLD = tiers({
  qualifying: "active_balance",
  levels: [
    { id: "basic", from: 0 },
    { id: "gold", from: 150 },
  ],
});

describe("a night", () => {
  scenario("does in order what falls due, and once", "2025-12-01T09:00:00Z", CLUB, async (shop, person) => {
    const zoe = person();
    await shop.put("programmes", { ...points({ validity: { end_of: "year" } }), tiers: GOLD });
    await shop.book(zoe, "o1", 80);
    await shop.put("programmes", { ...CLUB, tiers: GOLD });
    await shop.book(zoe, "o2", 40);
    await shop.put("programmes", { ...points({ pending: { after: "14 days" } }), tiers: GOLD });
    await shop.clock("2025-12-17T23:00:00Z");
    await shop.book(zoe, "o3", 100);
    const before = await shop.balance(zoe);
    assert.deepEqual([before.active, before.pending, await shop.level(zoe)], [120, 100, "basic"]);
    const old = (await shop.news(zoe)).length;
    await shop.clock("2025-12-31T22:59:59Z");
    assert.equal(await shop.active(zoe), 120);
    await shop.clock("2025-12-31T23:00:00Z");
    const night = ["Points Activated 100", "Tier Upgraded gold", "Points Expired 80", "Tier Downgraded basic"];
    const news = async (): Promise<string[]> => (await shop.news(zoe)).slice(old);
    await until("the night is over", 10_000, async () => ((await news()).length >= night.length ? true : undefined));
    assert.deepEqual(await news(), night);
    assert.deepEqual([await shop.active(zoe), await shop.level(zoe)], [140, "basic"]);
    await shop.clock("2026-01-01T23:00:00Z");
    await shop.tell(zoe, "Never Heard Of");
    await sleep(300);
    assert.deepEqual(await news(), night);
  });

  const ROUNDS = LONG ? 200 : 10;
  scenario(`lets a burn win or lose a lot, never both (${ROUNDS} times)`, MARCH, CLUB, async (shop, person) => {
    await shop.put("programmes", points({ validity: { after: "1 day" } }));
    for (let round = 0; round < ROUNDS; round++) {
      const midnight = Date.parse("2026-03-02T23:00:00Z") + round * 2 * 86_400_000;
      await shop.clock(new Date(midnight - 36_000_000).toISOString());
      const zoe = person();
      await shop.post("/v1/loyalty/points/adjust", { customer: zoe, amount: 1, reason: "she joins" });
      await shop.book(zoe, `o${round}`, 80);
      await shop.clock(new Date(midnight - 1000).toISOString());
      const due = new Date(midnight + 86_400_000).toISOString();
      const [, burnt] = await Promise.all([shop.clock(due), shop.burn(zoe, 80)]);
      const { spent, expired, active } = await shop.balance(zoe);
      if (burnt.status !== 200) burnt.refused(422, "INSUFFICIENT_POINTS");
      assert.deepEqual([spent, expired, active], burnt.status === 200 ? [80, 0, 0] : [0, 80, 0]);
    }
  });

  const MEMBERS = LONG ? 50_000 : 2_000;
  const LOTS = LONG ? 20 : 5;
  const KILLS = Number(process.env["RAPPORT_TEST_NIGHT_KILLS"] ?? (LONG ? 20 : 5));
  it(`that is killed ${KILLS} times lapses each of ${MEMBERS * LOTS} lots once`, async (t) => {
    const workspace = await makeWorkspace();
    after(() => removeWorkspace(workspace));
    const start = async (now: string): Promise<Server> => {
      const server = await Server.start(workspace, { args: ["--test-clock", now] });
      t.after(() => server.kill());
      return server;
    };
    const member = (i: number): string => `user_id:n${i}`;
    const first = await start("2026-03-01T09:00:00Z");
    const client = first.client();
    (await client.ask("PUT", "/v1/loyalty/programmes", { body: CLUB })).expect();
    const lots = times(LOTS, () => ({ amount: 3, earned_at: "2026-03-01T08:00:00Z", expires_on: "2026-03-31" }));
    const size = 100;
    for (let from = 0; from < MEMBERS; from += size) {
      const items = times(size, (i) => ({
        member: {
          programme: "old",
          external_id: `n${from + i}`,
          into: "club",
          identifiers: { user_id: `n${from + i}` },
          lots,
        },
      }));
      const reply = await client.ask("POST", "/v1/loyalty/import", { body: { items } });
      const { imported } = reply.expect<{ imported: number }>();
      assert.equal(imported, size, reply.text.slice(0, 300));
    }
    client.close();
    await first.stop();
    const evening = join(workspace.directory, "evening");
    await cp(workspace.data, evening, { recursive: true });

    const expired = async (reader: Client, i: number): Promise<number> => {
      const page = (await reader.get(`/v1/customers/${member(i)}/statement`, { limit: 1000 })).expect<{
        items: { kind: string; entries: { amount: number; lot?: string }[] }[];
      }>();
      const entries = page.items.filter(({ kind }) => kind === "expire").flatMap((posting) => posting.entries);
      assert.ok(entries.every(({ amount }) => amount === 3));
      assert.equal(new Set(entries.map(({ lot }) => lot)).size, entries.length);
      return entries.length;
    };
    // How far the night is, by some of the members. The next kill comes later when nothing has lapsed since the last,
    // and sooner once all has; then the night begins again, so that kills fall everywhere into it, not on its end.
    const SAMPLE = 50;
    const due = "2026-04-02T00:00:00Z";
    const shares: number[] = [];
    let window_ms = MEMBERS / 100;
    for (let round = 0; round < KILLS; round++) {
      const server = await start(due);
      await sleep(randomInt(Math.ceil(window_ms)));
      await server.kill();
      if (!LONG || round % 5 === 4) await must(["check", "--data", workspace.data], { timeout_ms: 300_000 });
      // Before the night: what is read there is what is written, and no timer is due.
      const before = await start("2026-03-01T10:00:00Z");
      const reader = before.client();
      const seen = await Promise.all(times(SAMPLE, (i) => expired(reader, Math.floor((i * MEMBERS) / SAMPLE))));
      reader.close();
      await before.kill();
      assert.ok(seen.every((count) => count === 0 || count === LOTS));
      const share = seen.filter((count) => count > 0).length / SAMPLE;
      shares.push(share);
      if (share === shares.at(-2)) window_ms *= 1.6;
      if (share < 1) continue;
      window_ms *= 0.7;
      await must(["loyalty", "verify", "--data", workspace.data], { timeout_ms: 300_000 });
      await rm(workspace.data, { recursive: true });
      await cp(evening, workspace.data, { recursive: true });
    }
    t.diagnostic(`lapsed after each kill: ${shares.map((share) => `${Math.round(share * 100)} %`).join(", ")}`);
    assert.ok(
      shares.some((share) => share > 0 && share < 1),
      "no kill fell into the night",
    );
    const last = await start(due);
    const reader = last.client();
    const over = async (i: number): Promise<void> => {
      await until(`${member(i)} has nothing left`, 120_000, async () =>
        (await expired(reader, i)) === LOTS ? true : undefined,
      );
      const { programmes } = (await reader.get(`/v1/customers/${member(i)}/loyalty`)).expect<Member>();
      const { active, expired: gone } = programmes[0]?.balances[0] ?? {};
      assert.deepEqual([active, gone], [0, 3 * LOTS]);
    };
    for (let from = 0; from < MEMBERS; from += SAMPLE) await Promise.all(times(SAMPLE, (i) => over(from + i)));
    reader.close();
    await last.stop();
    await must(["check", "--data", workspace.data], { timeout_ms: 300_000 });
    await must(["loyalty", "verify", "--data", workspace.data], { timeout_ms: 300_000 });
  });
});
