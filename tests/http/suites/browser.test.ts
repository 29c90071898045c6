// The SDKs of web pages in a real browser: the page on one port and the API on another, with real preflights.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, it, type TestContext } from "node:test";
import type { Page } from "playwright-core";
import { Browser, chromiumPath, openShop } from "../lib/browser.ts";
import { until } from "../lib/poll.ts";
import { Proxy, type Refusal } from "../lib/proxy.ts";
import { openSite, type Site } from "../lib/server.ts";

const ARRIVAL_MS = 30_000;

interface Visit {
  api: string;
  key: string;
  userId: string;
}

/** What a page does with its SDK; runs in the browser. */
interface Sdk {
  script: string;
  visit(page: Page, visit: Visit): Promise<void>;
}

const segment: Sdk = {
  script: "@segment/analytics-next/dist/umd/index.js",
  visit: (page, visit) =>
    page.evaluate(async ({ api, key, userId }) => {
      interface Analytics {
        page(name: string): Promise<unknown>;
        identify(userId: string, traits: object): Promise<unknown>;
        track(event: string, properties: object): Promise<unknown>;
        group(groupId: string): Promise<unknown>;
      }
      const { AnalyticsNext } = globalThis as unknown as {
        AnalyticsNext: { AnalyticsBrowser: { load(settings: object): Analytics } };
      };
      const analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: key, cdnURL: api });
      await analytics.page("Home");
      await analytics.track("Product Viewed", { sku: "A1" });
      await analytics.identify(userId, { email: `${userId}@exemple.fr`, firstName: "Zoé" });
      await analytics.group("club");
      await analytics.track("Order Completed", { total: 27.5 });
    }, visit),
};

const rudderstack: Sdk = {
  script: "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js",
  visit: (page, visit) =>
    page.evaluate(({ api, key, userId }) => {
      interface Analytics {
        load(key: string, url: string, options: object): void;
        page(name: string): void;
        identify(userId: string, traits: object): void;
        track(event: string, properties: object): void;
        group(groupId: string): void;
      }
      const { rudderanalytics } = globalThis as unknown as {
        rudderanalytics: { RudderAnalytics: new () => Analytics };
      };
      const analytics = new rudderanalytics.RudderAnalytics();
      analytics.load(key, api, { configUrl: api, useBeacon: false, logLevel: "ERROR" });
      analytics.page("Home");
      analytics.track("Product Viewed", { sku: "A1" });
      analytics.identify(userId, { email: `${userId}@exemple.fr`, firstName: "Zoé" });
      analytics.group("club");
      analytics.track("Order Completed", { total: 27.5 });
    }, visit),
};

const sdks: [string, Sdk][] = [
  ["@segment/analytics-next", segment],
  ["@rudderstack/analytics-js", rudderstack],
];

function tests(site: Site, browser: Browser, name: string, sdk: Sdk): void {
  const { client, workspace, server } = site;

  /** Opens the shop, does what the page does, and waits until all of it is in the customer's timeline. */
  async function shop(t: TestContext, api: string): Promise<string> {
    const place = await openShop(sdk.script);
    t.after(() => place.close());
    const page = await browser.visit(place.url);
    const faults: string[] = [];
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    const userId = randomUUID();
    await sdk.visit(page, { api, key: workspace.write_key, userId });
    const reference = `user_id:${userId}`;
    try {
      await until("five events of the visit", ARRIVAL_MS, async () => {
        const events = (await client.find(reference))?.trace.events ?? 0;
        return events >= 5 ? true : undefined;
      });
    } catch (error) {
      throw new Error(`${String(error)}; the page says: ${faults.join("\n")}`, { cause: error });
    }
    await page.context().close();
    return reference;
  }

  describe(name, () => {
    it("the visit before the sign-in is hers too", async (t) => {
      const proxy = await Proxy.open(server.url, []);
      t.after(() => proxy.close());
      const reference = await shop(t, proxy.url);
      const customer = await client.customer(reference);
      assert.equal(customer.traits["firstName"], "Zoé");
      assert.ok(customer.identifiers.some(({ type }) => type === "email"));
      assert.ok(customer.identifiers.some(({ type }) => type === "anonymous_id"));
      const events = await client.allEvents(reference);
      assert.equal(events.length, 5);
      const types = events.map(({ type }) => type).sort();
      assert.deepEqual(types, ["group", "identify", "page", "track", "track"]);
      const order = events.find((event) => event.name === "Order Completed");
      assert.equal(order?.properties?.["total"], 27.5);
      const preflights = proxy.passed.filter(({ method }) => method === "OPTIONS");
      assert.ok(preflights.length > 0 && preflights.every(({ status }) => status === 204), "preflights");
    });

    const bad_days: [string, Refusal[]][] = [
      ["503", [{ status: 503 }]],
      ["429 with Retry-After", [{ status: 429, headers: { "retry-after": "1" } }]],
    ];
    for (const [what, script] of bad_days) {
      it(`after ${what} it sends again`, async (t) => {
        const proxy = await Proxy.open(server.url, script);
        t.after(() => proxy.close());
        const reference = await shop(t, proxy.url);
        assert.equal((await client.allEvents(reference)).length, 5);
        assert.ok(proxy.passed.some(({ status }) => status === script[0]?.status));
      });
    }
  });
}

const executable = chromiumPath();
if (executable === undefined) {
  it("SDKs in a browser", (t) => t.skip("there is no Chromium here; apt-get install chromium"));
} else {
  const site = await openSite();
  const browser = await Browser.open(executable);
  after(async () => {
    await browser.close();
    await site.close();
  });
  for (const [name, sdk] of sdks) tests(site, browser, name, sdk);
}
