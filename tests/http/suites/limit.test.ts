// The bounds of a request, each with an answer of its own; what is within them is taken whatever stands beside it.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { Report } from "../lib/documents.ts";
import { page, times, track } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const EVENT_BYTES = 32 * 1024;
const BODY_BYTES = 4 * 1024 * 1024;
const BATCH_EVENTS = 5000;

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

/** The workspace's number of events does not change while `send` runs. */
async function takesNothing(send: () => Promise<void>): Promise<void> {
  const before = await client.stats();
  await send();
  const now = await client.stats();
  assert.deepEqual([now.events, now.customers], [before.events, before.customers]);
}

describe("one event", () => {
  it("of more than 32 KiB is refused alone, and the other 499 are taken", async () => {
    const userId = "large-one";
    const batch = times(500, (index) => track({ userId }, "Viewed", { index }));
    batch[250] = track({ userId }, "Viewed", { index: 250, text: "x".repeat(EVENT_BYTES) });
    const report = await sender.batch(batch);
    assert.equal(report.taken, 499);
    assert.deepEqual(
      report.rejected.map(({ index, code }) => [index, code]),
      [[250, "too_large"]],
    );
    assert.match(report.rejected[0]?.message ?? "", /32768/);
    const seen = (await client.allEvents(`user_id:${userId}`)).map((event) => event.properties?.["index"]);
    assert.equal(new Set(seen).size, 499);
    assert.ok(!seen.includes(250));
  });

  it("of exactly 32 KiB is taken", async () => {
    const small = track({ userId: "exact-one" }, "Viewed", { text: "" });
    const missing = EVENT_BYTES - JSON.stringify(small).length;
    small.properties = { text: "x".repeat(missing) };
    assert.equal(JSON.stringify(small).length, EVENT_BYTES);
    await sender.takeAll([small]);
    const report = await sender.batch([track({ userId: "exact-one" }, "Viewed", { text: "x".repeat(missing + 1) })]);
    assert.deepEqual(
      report.rejected.map(({ code }) => code),
      ["too_large"],
    );
  });

  it("too large for its own address is refused in the same words", async () => {
    const report = await sender.take(track({ userId: "large-single" }, "Viewed", { text: "x".repeat(EVENT_BYTES) }));
    assert.deepEqual(
      report.rejected.map(({ index, code }) => [index, code]),
      [[0, "too_large"]],
    );
  });
});

describe("one request", () => {
  const filler = (size: number): string => {
    const head = `{"batch":[${JSON.stringify(page({ userId: "filler" }))}],"filler":"`;
    return `${head}${"x".repeat(size - head.length - 2)}"}`;
  };

  it("of 4 MiB is taken, of one byte more not", async () => {
    assert.equal((await sender.ask("POST", "/v1/batch", { body: filler(BODY_BYTES) })).expect<Report>().taken, 1);
    await takesNothing(async () => {
      const reply = await sender.ask("POST", "/v1/batch", { body: filler(BODY_BYTES + 1) });
      reply.refused(400, "too_large", /4194304|4 MiB/);
    });
  });

  it("counts after unzipping: a bomb is stopped at the limit", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024, " "), { level: 9 });
    assert.ok(bomb.length < BODY_BYTES);
    await takesNothing(async () => {
      const began_ms = Date.now();
      const reply = await sender.ask("POST", "/v1/batch", { body: bomb, headers: { "content-encoding": "gzip" } });
      reply.refused(400, "too_large", /4194304|4 MiB/);
      assert.ok(Date.now() - began_ms < 5000, "it was not unzipped whole");
    });
  });

  it("of 5,000 events is taken, of 5,001 not one", async () => {
    const batch = times(BATCH_EVENTS, (index) => ({
      type: "track",
      userId: "many",
      event: "Viewed",
      messageId: `many-${index}`,
    }));
    assert.equal((await sender.batch(batch)).taken, BATCH_EVENTS);
    await takesNothing(async () => {
      const more = times(BATCH_EVENTS + 1, (index) => ({
        type: "track",
        userId: "too-many",
        event: "Viewed",
        messageId: `more-${index}`,
      }));
      const reply = await sender.ask("POST", "/v1/batch", { body: { batch: more } });
      reply.refused(400, "too_large", /5,000.*5001|5,000.*5,001/);
    });
    assert.equal(await client.find("user_id:too-many"), undefined);
  });

  it("an empty batch is no fault", async () => {
    assert.equal((await sender.batch([])).taken, 0);
  });

  it("headers without end are refused", async () => {
    const reply = await sender.ask("GET", `/v1/stats?${"x".repeat(64 * 1024)}`).catch((error: unknown) => error);
    assert.ok(reply instanceof Error || (reply as { status: number }).status >= 400);
    assert.ok((await client.stats()).events > 0, "the server goes on");
  });
});

describe("names and depth", () => {
  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  const cases: [string, string, string][] = [
    ["too deep", `{"type":"track","userId":"u","event":"e","properties":${nested(40)}}`, "too_deep"],
    ["a long event name", JSON.stringify({ ...track({ userId: "u" }, "e".repeat(257)) }), "name_too_long"],
    ["a long member name", JSON.stringify(track({ userId: "u" }, "e", { ["n".repeat(257)]: 1 })), "name_too_long"],
    ["a long messageId", JSON.stringify({ ...page({ userId: "u" }), messageId: "m".repeat(257) }), "bad_message_id"],
    ["a messageId that is a list", JSON.stringify({ ...page({ userId: "u" }), messageId: [1] }), "bad_message_id"],
    [
      "a number of forty digits",
      `{"type":"track","userId":"u","event":"e","properties":{"n":${"1".repeat(40)}}}`,
      "number_too_long",
    ],
  ];
  for (const [name, json, code] of cases) {
    it(`${name}: ${code}, alone`, async () => {
      const [before, behind] = times(2, () => JSON.stringify(page({ userId: "good" })));
      const reply = await sender.ask("POST", "/v1/batch", { body: `{"batch":[${before},${json},${behind}]}` });
      const report = reply.expect<Report>();
      assert.deepEqual(
        report.rejected.map((item) => [item.index, item.code]),
        [[1, code]],
      );
      assert.equal(report.taken, 2);
    });
  }
});
