// The SDKs themselves, as shops install them, against a running server: through a good day, and through a proxy that
// refuses first.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, it, type TestContext } from "node:test";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { Analytics } from "@segment/analytics-node";
import { times } from "../lib/message.ts";
import { until } from "../lib/poll.ts";
import { Proxy, type Refusal } from "../lib/proxy.ts";
import { openSite } from "../lib/server.ts";

const ARRIVAL_MS = 20_000;

const site = await openSite();
const { client, workspace, server } = site;
after(() => site.close());

/** What the tests need of an SDK, whoever made it. */
interface Sdk {
  identify(message: { userId?: string; anonymousId: string; traits: Record<string, string> }): void;
  track(message: { userId: string; event: string; properties: Record<string, number | string> }): void;
  page(message: { anonymousId: string; name: string }): void;
  group(message: { userId: string; groupId: string }): void;
  alias(message: { userId: string; previousId: string }): void;
  end(): Promise<void>;
}

function segment(url: string): Sdk {
  const sdk = new Analytics({
    writeKey: workspace.write_key,
    host: url,
    flushAt: 20,
    flushInterval: 200,
    maxRetries: 5,
  });
  return {
    identify: (message) => sdk.identify(message),
    track: (message) => sdk.track(message),
    page: (message) => sdk.page(message),
    group: (message) => sdk.group(message),
    alias: (message) => sdk.alias(message),
    end: () => sdk.closeAndFlush({ timeout: ARRIVAL_MS }),
  };
}

function rudderstack(url: string): Sdk {
  const sdk = new RudderAnalytics(workspace.write_key, {
    dataPlaneUrl: url,
    flushAt: 20,
    flushInterval: 200,
    gzip: true,
    logLevel: "none",
  });
  // Its own descriptions forbid what it takes: both ids at once.
  return {
    identify: (message) => void sdk.identify(message),
    track: (message) => void sdk.track(message),
    page: (message) => void sdk.page(message),
    group: (message) => void sdk.group(message),
    alias: (message) => void sdk.alias(message),
    end: async () => {
      await sdk.flush();
    },
  };
}

const sdks: [string, (url: string) => Sdk, boolean][] = [
  ["@segment/analytics-node", segment, false],
  ["@rudderstack/rudder-sdk-node", rudderstack, true],
];

async function through(t: TestContext, script: readonly Refusal[]): Promise<Proxy> {
  const proxy = await Proxy.open(server.url, script);
  t.after(() => proxy.close());
  return proxy;
}

async function eventsOf(reference: string, count: number): Promise<string[]> {
  return until(`${count} events of ${reference}`, ARRIVAL_MS, async () => {
    const names = (await client.allEvents(reference)).map(({ name }) => name);
    return names.length >= count ? names : undefined;
  });
}

for (const [name, open, zips] of sdks) {
  describe(name, () => {
    it("identify, track, page, group and alias are one customer's story", async (t) => {
      const proxy = await through(t, []);
      const sdk = open(proxy.url);
      const userId = randomUUID();
      const anonymousId = randomUUID();
      sdk.page({ anonymousId, name: "Home" });
      sdk.identify({ userId, anonymousId, traits: { email: `${userId}@exemple.fr`, firstName: "Zoé" } });
      sdk.track({ userId, event: "Order Completed", properties: { total: 27.5, order_id: "o-1" } });
      sdk.group({ userId, groupId: "club" });
      await sdk.end();
      const names = await eventsOf(`user_id:${userId}`, 4);
      assert.equal(names.length, 4, names.join());
      const customer = await client.customer(`email:${userId}@exemple.fr`);
      assert.equal(customer.traits["firstName"], "Zoé");
      const [order] = (await client.events(customer.id, { name: "Order Completed" })).items;
      assert.deepEqual(order?.properties, { total: 27.5, order_id: "o-1" });
      const zipped = proxy.passed.filter(({ headers }) => headers["content-encoding"] === "gzip");
      assert.equal(zipped.length > 0, zips, "gzip");
      assert.ok(proxy.passed.every(({ status }) => status === 200));
    });

    it("alias gives the earlier visits to the user", async () => {
      const sdk = open(server.url);
      const anonymousId = randomUUID();
      const userId = randomUUID();
      sdk.page({ anonymousId, name: "Home" });
      sdk.alias({ userId, previousId: anonymousId });
      await sdk.end();
      assert.equal((await eventsOf(`user_id:${userId}`, 2)).length, 2);
    });

    it("200 events in batches arrive, each once", async () => {
      const sdk = open(server.url);
      const userId = randomUUID();
      for (const index of times(200, (number) => number)) sdk.track({ userId, event: "Viewed", properties: { index } });
      await sdk.end();
      await eventsOf(`user_id:${userId}`, 200);
      const seen = (await client.allEvents(`user_id:${userId}`)).map((event) => event.properties?.["index"]);
      assert.equal(new Set(seen).size, 200);
      assert.equal(seen.length, 200);
    });

    const bad_days: [string, Refusal[]][] = [
      ["503", [{ status: 503 }]],
      ["429 with Retry-After", [{ status: 429, headers: { "retry-after": "1" } }]],
    ];
    for (const [what, script] of bad_days) {
      it(`after ${what} it sends again, and nothing is lost or doubled`, async (t) => {
        const proxy = await through(t, script);
        const sdk = open(proxy.url);
        const userId = randomUUID();
        for (const index of times(3, (number) => number))
          sdk.track({ userId, event: "Retried", properties: { index } });
        const ended = sdk.end();
        await eventsOf(`user_id:${userId}`, 3);
        await ended.catch(() => undefined);
        assert.equal((await client.allEvents(`user_id:${userId}`)).length, 3);
        assert.equal(proxy.passed[0]?.status, script[0]?.status);
        assert.ok(proxy.passed.length > 1);
      });
    }
  });
}
