// What a changed programme would have cost: asked of a server that goes on selling.
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Job } from "../lib/documents.ts";
import { sleep } from "../lib/poll.ts";
import { scenario, type Shop } from "../lib/shop.ts";

interface Figures {
  ledger?: number;
  as_is: number;
  would_be: number;
  difference: number;
}
interface Report {
  orders: number;
  members: number;
  programmes: { programme: string; currency: string; points: Figures }[];
  cost: Figures;
  rules: { rule: string; campaign?: string; points: Figures }[];
  largest: { customer: string; difference: number }[];
}
type Simulation = Job & { simulation?: Report | null };

const MARCH = "2026-03-02T09:00:00Z";
const path = "/v1/loyalty/simulate";
const club = (factor: number): object => ({
  id: "club",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points", worth: "0.01" }],
  rules: [{ id: "purchase", on: "Order Completed", earn: `floor(paid) * ${factor}` }],
});
const period = { from: "2026-03-01", to: "2026-04-01" };

async function simulate(shop: Shop, request: object): Promise<Report> {
  const begun = (await shop.post(path, request)).expect<Simulation>(202);
  for (let job = begun; ; await sleep(20)) {
    if (job.state === "done") return job.simulation as Report;
    assert.equal(job.state, "running", JSON.stringify(job.error));
    job = (await shop.client.ask("GET", `${path}/${begun.id}`)).expect<Simulation>();
  }
}

describe("a simulation", () => {
  scenario("tells what a changed programme would have cost, and changes nothing", MARCH, club(1), async (shop) => {
    const [zoe, leo] = [shop.person(), shop.person()];
    await shop.book(zoe, "T-1", 100);
    await shop.book(leo, "T-2", 30);
    await shop.clock("2026-03-20T09:00:00Z");
    await shop.book(zoe, "T-3", 50, { pay: [{ points: { amount: 100 } }] });
    const before = (await shop.client.ask("GET", `/v1/customers/${zoe}/loyalty`)).text;
    const doubled = await simulate(shop, { programmes: [club(2)], ...period });
    assert.deepEqual([doubled.orders, doubled.members], [3, 2]);
    assert.deepEqual(doubled.programmes[0]?.points, { ledger: 179, as_is: 179, would_be: 358, difference: 179 });
    assert.deepEqual(doubled.cost, { ledger: 1.79, as_is: 1.79, would_be: 3.58, difference: 1.79 });
    assert.deepEqual(
      doubled.largest.map(({ difference }) => difference),
      [1.49, 0.3],
    );
    assert.equal((await simulate(shop, period)).cost.difference, 0);
    assert.equal((await shop.client.ask("GET", `/v1/customers/${zoe}/loyalty`)).text, before);
    await shop.book(zoe, "T-4", 10);
  });

  scenario("refuses documents as they are refused when they are stored", MARCH, club(1), async (shop) => {
    const wrong = {
      ...club(1),
      rules: [{ id: "purchase", on: "Order Completed", earn: "flor(paid)" }],
    };
    const stored = await shop.client.ask("PUT", "/v1/loyalty/programmes", { body: wrong });
    const simulated = await shop.post(path, { programmes: [wrong], ...period });
    assert.equal(stored.status, 422);
    assert.deepEqual([simulated.status, simulated.json()], [stored.status, stored.json()]);
    (await shop.post(path, { ...period, to: "2026-02-01" })).refused(400, "bad_period");
    (await shop.post(path, { programes: [], ...period })).refused(400, "unknown_member");
    (await shop.client.ask("GET", `${path}/0123456789abcdef`)).refused(404, "no_job");
  });

  scenario("is stopped, and leaves nothing", MARCH, club(1), async (shop) => {
    for (let i = 0; i < 40; i++) await shop.book(shop.person(), `T-${i}`, 20);
    const begun = (await shop.post(path, period)).expect<Simulation>(202);
    let job = (await shop.client.ask("DELETE", `${path}/${begun.id}`)).expect<Simulation>();
    for (; job.state === "running"; await sleep(10))
      job = (await shop.client.ask("GET", `${path}/${begun.id}`)).expect<Simulation>();
    if (job.state === "failed") assert.equal(job.error?.code, "stopped");
    else assert.equal(job.simulation?.orders, 40);
  });
});
