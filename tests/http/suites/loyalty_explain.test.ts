// Why a rule did something for a basket, or nothing: which rule, which value, which limit.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { openSite } from "../lib/server.ts";

interface Explained {
  programme: string;
  campaign?: string;
  rule: string;
  applied: boolean;
  reason?: string;
  message?: string;
  when?: string;
  condition?: boolean | null;
  points?: number;
  discount?: number;
  trimmed_by?: string;
  caps?: { scope: string; most: number; left?: number }[];
  budget_left?: { points?: number };
}

const CLUB = {
  id: "club",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points" }],
  tiers: { levels: [{ id: "blue", from: 0 }, { id: "gold", from: 1000 }] },
  rules: [
    { id: "purchase", on: "Order Completed", earn: "floor(paid)" },
    { id: "capped", on: "Order Completed", earn: "30", caps: [{ most: 50, per: "day" }] },
    { id: "golden", on: "Order Completed", when: 'tier("club") = "gold"', earn: "7" },
    { id: "store", on: "Order Completed", when: 'store = "Lyon"', earn: "5" },
    { id: "large", on: "Order Completed", when: "paid >= 1000", discount: { percent: 10 } },
    { id: "spring", on: "Order Completed", earn: "9", to: "2026-02-01" },
    { id: "other", on: "Reviewed", earn: "3" },
    { id: "off", on: "Order Completed", discount: { percent: 10 } },
  ],
};
const MAY = {
  id: "may",
  programme: "club",
  rules: [{ id: "double", on: "Order Completed", earn: "40" }],
  budget: { points: 60, over: "reject" },
};

describe("an explanation", () => {
  it("says of every rule what it did, or why not", async () => {
    const site = await openSite({ args: ["--test-clock", "2026-03-01T09:00:00Z"] });
    after(() => site.close());
    (await site.client.ask("PUT", "/v1/loyalty/programmes", { body: CLUB })).expect();
    (await site.client.ask("PUT", "/v1/loyalty/campaigns", { body: MAY })).expect();
    const basket = (order: string) => ({
      customer: "email:zoe@exemple.fr",
      cart: { order_id: order, products: [{ line_id: "1", sku: "A", price: 100 }] },
    });
    const explain = async (order: string): Promise<Map<string, Explained>> => {
      const body = { ...basket(order), explain: true };
      const reply = (await site.client.ask("POST", "/v1/loyalty/evaluate", { body })).expect<{ explained: Explained[] }>();
      return new Map(reply.explained.map((rule) => [rule.rule, rule]));
    };
    (await site.client.ask("POST", "/v1/loyalty/orders", { body: basket("o1") })).expect();
    const rules = await explain("o2");
    const why = [...rules.values()].map((rule) => [rule.rule, rule.applied, rule.reason]);
    assert.deepEqual(why, [
      ["purchase", true, undefined],
      ["capped", true, undefined],
      ["golden", false, "condition_false"],
      ["store", false, "condition_false"],
      ["large", false, "condition_false"],
      ["spring", false, "not_in_time"],
      ["off", true, undefined],
      ["double", false, "CAMPAIGN_LIMIT_REACHED"],
    ]);
    assert.equal(rules.get("purchase")?.points, 90);
    assert.equal(rules.get("off")?.discount, 10);
    const capped = rules.get("capped");
    assert.deepEqual([capped?.points, capped?.trimmed_by], [20, "CAP_REACHED"]);
    assert.deepEqual(capped?.caps, [{ scope: "member", most: 50, left: 0 }]);
    const golden = rules.get("golden");
    assert.deepEqual([golden?.when, golden?.condition], ['tier("club") = "gold"', false]);
    assert.deepEqual(rules.get("double")?.budget_left, { points: 20 });
    assert.match(rules.get("golden")?.message ?? "", /condition/);
    const plain = (await site.client.ask("POST", "/v1/loyalty/evaluate", { body: basket("o3") })).expect<object>();
    assert.ok(!("explained" in plain));
    const wrong = { ...basket("o3"), explain: "yes" };
    (await site.client.ask("POST", "/v1/loyalty/evaluate", { body: wrong })).refused(400, "wrong_type");
  });
});
