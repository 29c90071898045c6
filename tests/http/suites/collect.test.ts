// Events in: every address, every place where clients put their key, every way they pack a body.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, it } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { basic, query, type AskOptions } from "../lib/client.ts";
import type { Report } from "../lib/documents.ts";
import { identify, page, track, type Message } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

let people = 0;
const somebody = (): string => `person-${++people}`;

/** Sends one body that must bring exactly one event of `userId`, and shows it. */
async function takesOne(path: string, userId: string, options: AskOptions): Promise<void> {
  const report = (await sender.ask("POST", path, options)).expect<Report>();
  assert.deepEqual(report, { success: true, taken: 1, duplicates: 0, rejected: [], aside: [] });
  const events = await client.allEvents(`user_id:${userId}`);
  assert.equal(events.length, 1);
}

describe("addresses", () => {
  const single: [string, string, object][] = [
    ["identify", "i", { traits: { plan: "free" } }],
    ["track", "t", { event: "Product Viewed" }],
    ["page", "p", { name: "Home" }],
    ["screen", "s", { name: "Cart" }],
    ["group", "g", { groupId: "club" }],
  ];
  for (const [type, letter, more] of single) {
    const places = [`/v1/${type}`, `/v1/${letter}`, `/api/s/${type}`, `/api/s/s2s/${type}`];
    for (const path of places) {
      it(`POST ${path}`, async () => {
        const userId = somebody();
        await takesOne(path, userId, { body: { userId, messageId: randomUUID(), ...more } });
        const [event] = await client.allEvents(`user_id:${userId}`);
        assert.equal(event?.type, type);
      });
    }
  }

  for (const path of ["/v1/alias", "/v1/a", "/api/s/alias", "/api/s/s2s/alias"]) {
    it(`POST ${path}`, async () => {
      const userId = somebody();
      const anonymousId = randomUUID();
      await sender.take(page({ anonymousId }));
      const body = { userId, previousId: anonymousId, messageId: randomUUID() };
      assert.equal((await sender.ask("POST", path, { body })).expect<Report>().taken, 1);
      const names = (await client.allEvents(`user_id:${userId}`)).map((event) => event.type);
      assert.ok(names.includes("page"), `the earlier visit is hers: ${names.join()}`);
    });
  }

  for (const path of ["/v1/batch", "/v1/b", "/beacon/v1/batch"]) {
    it(`POST ${path}`, async () => {
      const userId = somebody();
      const batch = [identify({ userId }), track({ userId }, "Product Viewed"), page({ userId })];
      assert.equal((await sender.ask("POST", path, { body: { batch } })).expect<Report>().taken, 3);
      assert.equal((await client.allEvents(`user_id:${userId}`)).length, 3);
    });
  }

  it("POST /v1/import takes history from a secret key only, at its own time", async () => {
    const userId = somebody();
    const timestamp = "2019-05-01T10:00:00.000Z";
    const batch = [{ ...track({ userId }, "Order Completed"), timestamp, sentAt: "2019-05-01T10:00:01.000Z" }];
    (await sender.ask("POST", "/v1/import", { body: { batch } })).refused(403, "server_key_needed");
    assert.equal((await client.ask("POST", "/v1/import", { body: { batch } })).expect<Report>().taken, 1);
    const [event] = await client.allEvents(`user_id:${userId}`);
    assert.equal(Date.parse(event?.time ?? ""), Date.parse(timestamp));
  });

  it("the message's own type wins over the address", async () => {
    const userId = somebody();
    await takesOne("/v1/track", userId, { body: page({ userId }) });
    assert.equal((await client.allEvents(`user_id:${userId}`))[0]?.type, "page");
  });

  it("a list alone is a batch", async () => {
    const userId = somebody();
    await takesOne("/v1/batch", userId, { body: [page({ userId })] });
  });

  it("a batch's context counts for messages without one", async () => {
    const userId = somebody();
    await takesOne("/v1/batch", userId, { body: { batch: [page({ userId })], context: { channel: "store" } } });
    assert.equal((await client.allEvents(`user_id:${userId}`))[0]?.context?.["channel"], "store");
  });
});

describe("pixel", () => {
  it("GET /v1/pixel.gif counts an opening each time", async () => {
    const userId = somebody();
    const path = query("/v1/pixel.gif", {
      writeKey: site.workspace.write_key,
      userId,
      event: "Email Opened",
      campaign: "spring",
    });
    for (let opening = 0; opening < 2; opening++) {
      const reply = await sender.ask("GET", path, { key: null });
      assert.equal(reply.status, 200);
      assert.equal(reply.headers["content-type"], "image/gif");
      assert.equal(reply.body.toString("latin1", 0, 6), "GIF89a");
    }
    const events = await client.allEvents(`user_id:${userId}`);
    assert.deepEqual(
      events.map((event) => [event.name, event.properties?.["campaign"]]),
      [
        ["Email Opened", "spring"],
        ["Email Opened", "spring"],
      ],
    );
  });

  it("takes a whole message as base64", async () => {
    const userId = somebody();
    const data = Buffer.from(JSON.stringify({ ...page({ userId }), writeKey: site.workspace.write_key })).toString(
      "base64",
    );
    const reply = await sender.ask("GET", query("/v1/pixel.gif", { data }), { key: null });
    assert.equal(reply.status, 200);
    assert.equal((await client.allEvents(`user_id:${userId}`)).length, 1);
  });
});

describe("keys", () => {
  const key = site.workspace.write_key;
  const places: [string, (message: Message) => [string, AskOptions]][] = [
    ["Basic user", (body) => ["/v1/page", { body, headers: { authorization: basic(key) } }]],
    ["Bearer", (body) => ["/v1/page", { body, headers: { authorization: `Bearer ${key}` } }]],
    ["X-Write-Key", (body) => ["/v1/page", { body, headers: { "x-write-key": key } }]],
    ["X-Write-Key as id:secret", (body) => ["/v1/page", { body, headers: { "x-write-key": `kid:${key}` } }]],
    ["writeKey in the address", (body) => [query("/v1/page", { writeKey: key }), { body }]],
    ["writeKey in the body", (body) => ["/v1/page", { body: { ...body, writeKey: key } }]],
    ["writeKey of a batch", (body) => ["/v1/batch", { body: { batch: [body], writeKey: key } }]],
    [
      "writeKey last in the body of a beacon",
      (body) => ["/beacon/v1/batch", { body: `{"batch":[${JSON.stringify(body)}],"writeKey":"${key}"}` }],
    ],
  ];
  for (const [place, make] of places) {
    it(`${place} is enough`, async () => {
      const userId = somebody();
      const [path, options] = make(page({ userId }));
      await takesOne(path, userId, { ...options, key: null });
    });
  }

  it("a masked key in the body does not hide the one in the header", async () => {
    const userId = somebody();
    const body = { ...page({ userId }), writeKey: "kid:***" };
    await takesOne("/api/s/page", userId, { body, key: null, headers: { "x-write-key": `kid:${key}` } });
  });

  it("a secret key collects too", async () => {
    const report = (await client.ask("POST", "/v1/page", { body: page({ userId: somebody() }) })).expect<Report>();
    assert.equal(report.taken, 1);
  });

  it("no key and a wrong key are 401, and nothing is taken", async () => {
    const userId = somebody();
    const body = page({ userId });
    (await sender.ask("POST", "/v1/page", { body, key: null })).refused(401, "missing_key");
    (await sender.ask("POST", "/v1/page", { body, key: "wk_nobody" })).refused(401, "bad_key");
    (await sender.ask("POST", "/v1/page", { body: { ...body, writeKey: "wk_nobody" }, key: null })).refused(
      401,
      "bad_key",
    );
    (await sender.ask("POST", "/v1/page", { body, key: null, headers: { authorization: basic("wk_nobody") } })).refused(
      401,
      "bad_key",
    );
    assert.equal(await client.find(`user_id:${userId}`), undefined);
  });

  it("a scheme that is neither Basic nor Bearer is told", async () => {
    const headers = { authorization: `Digest ${key}` };
    (await sender.ask("POST", "/v1/page", { body: "{}", key: null, headers })).refused(400, "bad_authorization");
  });
});

describe("packing", () => {
  const zips: [string, Record<string, string>, (json: string) => Buffer][] = [
    ["gzip", { "content-encoding": "gzip" }, (json) => gzipSync(json)],
    ["gzip that the client's headers forgot", {}, (json) => gzipSync(json)],
    [
      "gzip labelled as a form",
      { "content-encoding": "gzip", "content-type": "application/x-www-form-urlencoded" },
      (json) => gzipSync(json),
    ],
    ["deflate", { "content-encoding": "deflate" }, (json) => deflateSync(json)],
    ["text/plain of a beacon", { "content-type": "text/plain;charset=UTF-8" }, (json) => Buffer.from(json)],
    ["JSON labelled gzip by mistake", { "content-encoding": "gzip" }, (json) => Buffer.from(json)],
    ["a byte order mark", {}, (json) => Buffer.from(`\uFEFF${json}`)],
  ];
  for (const [name, headers, pack] of zips) {
    it(name, async () => {
      const userId = somebody();
      await takesOne("/v1/batch", userId, { body: pack(JSON.stringify({ batch: [page({ userId })] })), headers });
    });
  }

  it("a damaged zip and an unknown encoding are told, and nothing is taken", async () => {
    const zip = gzipSync(JSON.stringify({ batch: [page({ userId: somebody() })] }));
    const headers = { "content-encoding": "gzip" };
    (await sender.ask("POST", "/v1/batch", { body: zip.subarray(0, zip.length - 12), headers })).refused(
      400,
      "bad_gzip",
    );
    (await sender.ask("POST", "/v1/batch", { body: "{}", headers: { "content-encoding": "br" } })).refused(
      400,
      "unsupported_encoding",
    );
  });
});

describe("browsers", () => {
  const origin = "https://shop.exemple.fr";
  const asked = "authorization,content-type,x-retry-count,anonymousid,sentat,x-write-key";

  for (const path of [
    "/v1/t",
    "/v1/batch",
    "/beacon/v1/batch",
    "/api/s/track",
    "/sourceConfig/",
    "/v1/projects/k/settings",
  ]) {
    it(`preflight of ${path}`, async () => {
      const method = path.startsWith("/sourceConfig") || path.endsWith("settings") ? "GET" : "POST";
      const headers = {
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": asked,
      };
      const reply = await sender.ask("OPTIONS", path, { key: null, headers });
      assert.equal(reply.status, 204);
      assert.ok([origin, "*"].includes(reply.headers["access-control-allow-origin"] ?? ""));
      assert.match(reply.headers["access-control-allow-methods"] ?? "", new RegExp(method));
      const allowed = (reply.headers["access-control-allow-headers"] ?? "").toLowerCase().split(/, */);
      for (const name of asked.split(",")) assert.ok(allowed.includes(name), `${name} of ${allowed.join()}`);
      assert.ok(Number(reply.headers["access-control-max-age"]) > 0);
    });
  }

  it("answers may be read by the page, and Retry-After with them", async () => {
    const reply = await sender.ask("POST", "/v1/p", { body: page({ userId: somebody() }), headers: { origin } });
    assert.equal(reply.status, 200);
    assert.ok([origin, "*"].includes(reply.headers["access-control-allow-origin"] ?? ""));
    assert.match(reply.headers["access-control-expose-headers"] ?? "", /retry-after/i);
  });

  it("refusals carry the same headers", async () => {
    const reply = await sender.ask("POST", "/v1/p", { body: "{", headers: { origin } });
    assert.equal(reply.status, 400);
    assert.ok([origin, "*"].includes(reply.headers["access-control-allow-origin"] ?? ""));
    assert.match(reply.headers["access-control-expose-headers"] ?? "", /retry-after/i);
  });

  it("management is not for pages", async () => {
    const reply = await client.ask("GET", "/v1/stats", { headers: { origin } });
    assert.equal(reply.headers["access-control-allow-origin"], undefined);
  });

  it("GET /v1/projects/KEY/settings points analytics.js back here", async () => {
    const key = site.workspace.write_key;
    const reply = await sender.ask("GET", `/v1/projects/${key}/settings`, { key: null });
    const settings = reply.expect<{ integrations: { "Segment.io": { apiKey: string; apiHost: string } } }>();
    assert.equal(settings.integrations["Segment.io"].apiKey, key);
    assert.equal(settings.integrations["Segment.io"].apiHost, `${new URL(site.server.url).host}/v1`);
    (await sender.ask("GET", "/v1/projects/wk_nobody/settings", { key: null })).refused(401, "bad_key");
  });

  it("GET /sourceConfig/ is what RudderStack's SDK asks for", async () => {
    const key = site.workspace.write_key;
    const reply = await sender.ask("GET", "/sourceConfig/?p=npm&v=3", {
      key: null,
      headers: { authorization: basic(key) },
    });
    const config = reply.expect<{ source: { enabled: boolean; destinations: object[] } }>();
    assert.equal(config.source.enabled, true);
    assert.deepEqual(config.source.destinations, []);
  });
});
