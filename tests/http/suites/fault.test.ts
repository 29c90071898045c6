// Bodies that are no good, each with a code that says why. A fault of one item is that item's alone.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Report } from "../lib/documents.ts";
import { page } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

const good = (): string => JSON.stringify(page({ userId: "good" }));

describe("a body", () => {
  const bodies: [string, string | Buffer, string][] = [
    ["nothing", "", "invalid_json"],
    ["no JSON", "hello", "invalid_json"],
    ["JSON that is cut short", `{"batch":[${good()}`, "invalid_json"],
    ["something after its end", `{"batch":[${good()}]} and more`, "invalid_json"],
    [
      "UTF-8 that is none, outside the events",
      Buffer.from(
        [...'{"batch":[],"a":"', 0xff, '"}'].map((part) => (typeof part === "number" ? part : part.charCodeAt(0))),
      ),
      "invalid_utf8",
    ],
    ["no batch", "{}", "no_batch"],
    ["a batch that is no list", '{"batch":"events"}', "no_batch"],
    ["a number", "12", "no_batch"],
  ];
  for (const [name, body, code] of bodies) {
    it(`${name}: ${code}, and nothing is taken`, async () => {
      const before = await client.stats();
      (await sender.ask("POST", "/v1/batch", { body })).refused(400, code);
      assert.equal((await client.stats()).events, before.events);
    });
  }
});

describe("an item", () => {
  const utf8 = Buffer.concat([Buffer.from('{"type":"page","userId":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
  const items: [string, string | Buffer, string][] = [
    ["that is no object", '"page"', "not_an_object"],
    ["of a type that does not exist", '{"type":"buy","userId":"u"}', "unknown_type"],
    ["without a type", '{"userId":"u"}', "unknown_type"],
    ["a track without its event", '{"type":"track","userId":"u"}', "missing_event"],
    ["about nobody", '{"type":"page"}', "missing_identifier"],
    ["about null", '{"type":"page","userId":null}', "missing_identifier"],
    ["an alias without previousId", '{"type":"alias","userId":"u"}', "missing_previous_id"],
    ["with a time that is none", '{"type":"page","userId":"u","timestamp":"yesterday"}', "bad_timestamp"],
    ["with a member twice", '{"type":"page","userId":"u","userId":"v"}', "duplicate_key"],
    [
      "with a member twice, deep inside",
      '{"type":"page","userId":"u","properties":{"a":{"b":1,"b":2}}}',
      "duplicate_key",
    ],
    ["with NaN", '{"type":"page","userId":"u","properties":{"a":NaN}}', "invalid_number"],
    ["with 01", '{"type":"page","userId":"u","properties":{"a":01}}', "invalid_number"],
    ["with UTF-8 that is none", utf8, "invalid_utf8"],
  ];
  for (const [name, item, code] of items) {
    it(`${name}: ${code}, alone`, async () => {
      const parts = [`{"batch":[${good()},`, item, `,${good()}]}`].map((part) => Buffer.from(part));
      const report = (await sender.ask("POST", "/v1/batch", { body: Buffer.concat(parts) })).expect<Report>();
      assert.deepEqual(
        report.rejected.map((told) => [told.index, told.code]),
        [[1, code]],
      );
      assert.notEqual(report.rejected[0]?.message, "");
      assert.equal(report.taken, 2);
    });
  }

  it("refused is kept aside, with its reason", async () => {
    const before = await client.asides({ code: "missing_event", limit: 1000 });
    await sender.batch([{ type: "track", userId: "kept", messageId: "kept-1" }]);
    const { items: kept } = await client.asides({ code: "missing_event", limit: 1000 });
    assert.equal(kept.length, before.items.length + 1);
    assert.equal(kept.at(-1)?.event?.["userId"], "kept");
  });
});

describe("one message", () => {
  const messages: [string, string, string][] = [
    ["cut short", '{"userId":"u"', "invalid_json"],
    ["with a member twice", '{"userId":"u","userId":"v"}', "duplicate_key"],
    ["with NaN", '{"userId":"u","properties":{"a":NaN}}', "invalid_number"],
  ];
  for (const [name, body, code] of messages) {
    it(`${name}: ${code}`, async () => {
      (await sender.ask("POST", "/v1/page", { body })).refused(400, code);
    });
  }

  it("about nobody is refused in the report, as in a batch", async () => {
    const report = (await sender.ask("POST", "/v1/page", { body: "{}" })).expect<Report>();
    assert.deepEqual(
      report.rejected.map(({ index, code }) => [index, code]),
      [[0, "missing_identifier"]],
    );
  });

  it("of an unknown type in the address", async () => {
    const report = (await sender.ask("POST", "/api/s/purchase", { body: { userId: "u" } })).expect<Report>();
    assert.deepEqual(
      report.rejected.map(({ code }) => code),
      ["unknown_type"],
    );
  });
});

describe("what is unusual and right", () => {
  it("numbers where the protocol has text", async () => {
    await sender.takeAll([{ type: "track", userId: 4711, messageId: 12, event: "Counted" }]);
    assert.equal((await client.customer("user_id:4711")).trace.events, 1);
  });

  it("both ids, null ids and text of any script", async () => {
    await sender.takeAll([
      { ...page({ userId: "жанна-1", anonymousId: "tab-1" }), groupId: null },
      { type: "page", userId: null, anonymousId: "tab-1", messageId: "next" },
    ]);
    assert.equal((await client.customer("user_id:жанна-1")).trace.events, 2);
  });

  it("numbers keep their own digits", async () => {
    const body =
      '{"userId":"digits","event":"Paid","messageId":"digits-1","properties":{"total":0.10,"big":12345678901234567890.123}}';
    (await sender.ask("POST", "/v1/track", { body })).expect<Report>();
    const reply = await client.get("/v1/customers/user_id%3Adigits/events");
    assert.match(reply.text, /"big":12345678901234567890\.123/);
    assert.match(reply.text, /"total":0\.10?\b/);
  });
});
