// When things happened, repeats, and what is set aside: on a clock that stands still.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Aside } from "../lib/documents.ts";
import { identify, page, times, track, type Message } from "../lib/message.ts";
import { openSite } from "../lib/server.ts";

const NOW = "2026-11-22T12:00:00.000Z";

const site = await openSite({ args: ["--test-clock", NOW] });
const { client, sender } = site;
after(() => site.close());

const time = (offset_s: number): string => new Date(Date.parse(NOW) + offset_s * 1000).toISOString();

async function timeOf(userId: string): Promise<string> {
  const [event] = await client.allEvents(`user_id:${userId}`);
  assert.ok(event);
  return new Date(event.time).toISOString();
}

/** The one item set aside for `userId`. */
async function asideOf(userId: string, code: string): Promise<Aside> {
  const { items } = await client.asides({ code, limit: 1000 });
  const mine = items.filter(({ event }) => event?.["userId"] === userId);
  assert.equal(mine.length, 1, `set aside as ${code}`);
  return mine[0] as Aside;
}

describe("the clock of tests", () => {
  it("stands where it was put", async () => {
    const clock = (await client.get("/v1/clock")).expect<{ now: string; held: boolean }>();
    assert.deepEqual([new Date(clock.now).toISOString(), clock.held], [NOW, true]);
  });

  it("can be moved, and events are received at its time", async () => {
    await client.holdClock("2026-11-22T13:00:00Z");
    await sender.takeAll([page({ userId: "mover" })]);
    await client.holdClock(NOW);
    assert.equal(await timeOf("mover"), "2026-11-22T13:00:00.000Z");
  });

  it("refuses what is no time", async () => {
    (await client.ask("POST", "/v1/clock", { body: { now: "soon" } })).refused(400, "bad_member");
  });
});

describe("sentAt", () => {
  // A device whose clock is ten days slow: the distance between its two readings is right.
  const slow = { timestamp: time(-864000 - 30), sentAt: time(-864000) };

  it("takes the device's own error out of the time", async () => {
    await sender.takeAll([page({ userId: "slow" }, slow)]);
    assert.equal(await timeOf("slow"), time(-30));
  });

  it("of the batch counts for messages without one", async () => {
    await sender.takeAll([page({ userId: "slow-batch" }, { timestamp: slow.timestamp })], { sentAt: slow.sentAt });
    assert.equal(await timeOf("slow-batch"), time(-30));
  });

  it("corrects originalTimestamp when there is no timestamp", async () => {
    await sender.takeAll([page({ userId: "original" }, { originalTimestamp: slow.timestamp, sentAt: slow.sentAt })]);
    assert.equal(await timeOf("original"), time(-30));
  });

  it("leaves a timestamp given beside originalTimestamp as it is", async () => {
    const both = { timestamp: time(-3600), originalTimestamp: slow.timestamp, sentAt: slow.sentAt };
    await sender.takeAll([page({ userId: "both" }, both)]);
    assert.equal(await timeOf("both"), time(-3600));
  });

  it("missing: the timestamp as it is; both missing: the moment of receipt", async () => {
    await sender.takeAll([page({ userId: "bare" }, { timestamp: time(-7200) }), page({ userId: "timeless" })]);
    assert.equal(await timeOf("bare"), time(-7200));
    assert.equal(await timeOf("timeless"), NOW);
  });

  it("that cannot be read corrects nothing", async () => {
    await sender.takeAll([page({ userId: "unread" }, { timestamp: time(-7200), sentAt: "soon" })]);
    assert.equal(await timeOf("unread"), time(-7200));
  });
});

describe("repeats", () => {
  it("of a messageId are taken once, in one batch, in two, and after a corrected retry", async () => {
    const message = track({ userId: "repeated" }, "Order Completed", { total: 10 });
    const first = await sender.batch([message, message]);
    assert.deepEqual([first.taken, first.duplicates], [1, 1]);
    const second = await sender.batch([{ ...message, sentAt: time(5) }]);
    assert.deepEqual([second.taken, second.duplicates], [0, 1]);
    assert.equal((await client.allEvents("user_id:repeated")).length, 1);
  });

  it("sent at once from many connections are taken once", async () => {
    const message = track({ userId: "raced" }, "Order Completed");
    const reports = await Promise.all(times(32, () => sender.take(message)));
    assert.equal(
      reports.reduce((sum, report) => sum + report.taken, 0),
      1,
    );
    assert.equal((await client.allEvents("user_id:raced")).length, 1);
  });

  it("are known by source: two sources may use the same id", async () => {
    const message = track({ userId: "two-sources" }, "Viewed");
    assert.equal((await sender.take(message)).taken, 1);
    assert.equal((await client.take(message)).taken, 1);
    assert.equal((await client.allEvents("user_id:two-sources")).length, 2);
  });

  it("without messageId are known by their content; equal ones of one request are different events", async () => {
    const bare = { type: "track", userId: "bare-repeat", event: "Opened", timestamp: time(-60) };
    const first = await sender.batch([bare, bare]);
    assert.deepEqual([first.taken, first.duplicates], [2, 0]);
    const second = await sender.batch([bare, bare], { sentAt: NOW });
    assert.equal(second.taken + second.duplicates, 2);
    assert.equal(second.duplicates, 2);
  });

  it("of a till are known by store, till, ticket and day", async () => {
    const ticket = { store: "Lyon", till: "2", ticket: "17", total: 9.9 };
    const sale = {
      type: "track",
      userId: "till-person",
      event: "Order Completed",
      properties: ticket,
      timestamp: time(-60),
    };
    assert.equal((await sender.batch([sale])).taken, 1);
    assert.equal((await sender.batch([{ ...sale, properties: { ...ticket, total: 9.91 } }])).duplicates, 1);
    assert.equal((await sender.batch([{ ...sale, timestamp: time(-86400) }])).taken, 1);
  });
});

describe("set aside", () => {
  const cases: [string, string, Partial<Message>][] = [
    ["an event of 2099", "time_in_future", { timestamp: "2099-01-01T00:00:00Z" }],
    ["an event of 1901", "time_before_1970", { timestamp: "1901-01-01T00:00:00Z" }],
    [
      "a robot",
      "bot",
      { context: { userAgent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" } },
    ],
  ];
  for (const [name, code, more] of cases) {
    it(`${name} is told, kept, and changes nobody`, async () => {
      const userId = `aside-${code}`;
      const report = await sender.batch([page({ userId }, more), page({ userId: "beside" })]);
      assert.equal(report.taken, 1);
      const told = [...report.rejected, ...report.aside];
      assert.deepEqual(
        told.map((item) => [item.index, item.code]),
        [[0, code]],
      );
      assert.equal(await client.find(`user_id:${userId}`), undefined);
      const kept = await asideOf(userId, code);
      assert.equal(new Date(kept.received_at).toISOString(), NOW);
      assert.ok(kept.event_bytes > 0);
    });
  }

  it("a browser is no robot", async () => {
    const agents = [
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 Safari/537.36",
      "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Mobile Safari/537.36",
      "python-requests/2.31",
    ];
    await sender.takeAll(agents.map((userAgent) => page({ userId: "browser" }, { context: { userAgent } })));
  });

  it("48 hours ahead is within what clocks get wrong", async () => {
    await sender.takeAll([page({ userId: "ahead" }, { timestamp: time(48 * 3600) })]);
    const report = await sender.batch([page({ userId: "ahead" }, { timestamp: time(48 * 3600 + 1) })]);
    assert.deepEqual(
      [...report.rejected, ...report.aside].map((item) => item.code),
      ["time_in_future"],
    );
  });

  it("sent again as it is stays refused; corrected it is taken, once, and no longer listed", async () => {
    const userId = "corrected";
    const message = track({ userId }, "Order Completed", { total: 12 }, { timestamp: "2099-01-01T00:00:00Z" });
    await sender.batch([message]);
    const { id } = await asideOf(userId, "time_in_future");
    (await client.resend(id)).refused(422, "still_refused");
    assert.equal((await asideOf(userId, "time_in_future")).id, id);
    (await client.resend(id, { ...message, timestamp: time(-60) })).expect();
    assert.equal(await timeOf(userId), time(-60));
    (await client.get(`/v1/aside/${encodeURIComponent(id)}`)).refused(404, "no_such_event");
    (await client.resend(id, message)).refused(404, "no_such_event");
  });

  it("can be looked at and thrown away", async () => {
    await sender.batch([page({ userId: "thrown" }, { timestamp: "2099-01-01T00:00:00Z" })]);
    const { id } = await asideOf("thrown", "time_in_future");
    const one = (await client.get(`/v1/aside/${encodeURIComponent(id)}`)).expect<{ event: { userId: string } }>();
    assert.equal(one.event.userId, "thrown");
    assert.equal((await client.ask("DELETE", `/v1/aside/${encodeURIComponent(id)}`)).status, 204);
    const { items } = await client.asides({ limit: 1000 });
    assert.ok(!items.some((item) => item.id === id));
  });

  it("is listed in pages, oldest first", async () => {
    const users = times(7, (index) => `paged-${index}`);
    await sender.batch(users.map((userId) => ({ type: "track", userId })));
    const seen: unknown[] = [];
    let after: string | undefined;
    do {
      const page_of = await client.asides({ code: "missing_event", limit: 3, after });
      assert.ok(page_of.items.length <= 3);
      seen.push(...page_of.items.map(({ event }) => event?.["userId"]));
      after = page_of.next ?? undefined;
    } while (after !== undefined);
    assert.deepEqual(seen, users);
  });

  it("text of an event that is no JSON is kept as text", async () => {
    await sender.ask("POST", "/v1/batch", { body: '{"batch":[{"type":"page","userId":"u","a":01}]}' });
    const { items } = await client.asides({ code: "invalid_number" });
    const one = (await client.get(`/v1/aside/${encodeURIComponent(items[0]?.id ?? "")}`)).expect<{ event: string }>();
    assert.match(one.event, /"a":01/);
  });
});

describe("traits", () => {
  it("the newest by the event's own time wins, whatever arrives last", async () => {
    const who = { userId: "late-traits" };
    await sender.takeAll([identify(who, { city: "Lyon" }, { timestamp: time(-10) })]);
    await sender.takeAll([identify(who, { city: "Paris", plan: "free" }, { timestamp: time(-100) })]);
    assert.deepEqual((await client.customer("user_id:late-traits")).traits, { city: "Lyon", plan: "free" });
  });
});
