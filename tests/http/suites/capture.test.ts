// What real SDKs sent, sent again: the same headers, the same bodies, every event taken once.
import assert from "node:assert/strict";
import { after, it } from "node:test";
import { eventsOf, readCaptures, replay, SHARED, type Capture, type Recorded } from "../lib/capture.ts";
import type { Report } from "../lib/documents.ts";
import { openSite } from "../lib/server.ts";

const EVENT_BYTES = 32 * 1024;
// Shortly after the recordings were made, so that none of their events lies in the future.
const NOW = "2026-11-22T00:30:00.000Z";

const captures = readCaptures();

if (captures) {
  const site = await openSite({ args: ["--test-clock", NOW] });
  const { sender, client, workspace } = site;
  const seen = new Set<string>();
  let taken = 0;
  after(() => site.close());

  const check = async (recorded: Recorded): Promise<void> => {
    const reply = await sender.send(replay(recorded, workspace.write_key));
    if (recorded.headers["origin"]) assert.ok(reply.headers["access-control-allow-origin"], "CORS");
    if (recorded.method === "OPTIONS") {
      assert.equal(reply.status, 204);
      const allowed = (reply.headers["access-control-allow-headers"] ?? "").toLowerCase().split(/, */);
      const asked = (recorded.headers["access-control-request-headers"] ?? "").split(",");
      for (const name of asked) assert.ok(name === "" || allowed.includes(name), `${name} may be sent`);
      return;
    }
    if (recorded.method !== "POST") {
      reply.expect();
      return;
    }
    checkReport(reply.expect<Report>(), eventsOf(recorded));
  };

  const checkReport = (report: Report, events: { messageId?: string }[]): void => {
    const large = events.filter((event) => Buffer.byteLength(JSON.stringify(event)) > EVENT_BYTES);
    const right = events.filter((event) => !large.includes(event));
    const fresh = right.filter(({ messageId }) => messageId === undefined || !seen.has(messageId));
    for (const { messageId } of right) if (messageId !== undefined) seen.add(messageId);
    assert.deepEqual(
      report.rejected.map(({ code }) => code),
      large.map(() => "too_large"),
    );
    assert.deepEqual(report.aside, []);
    assert.deepEqual([report.taken, report.duplicates], [fresh.length, right.length - fresh.length]);
    taken += report.taken;
  };

  const replayAll = async ({ requests }: Capture): Promise<void> => {
    for (const recorded of requests) await check(recorded);
  };

  for (const capture of captures) it(capture.name, () => replayAll(capture));

  it("all of them are in the timelines", async () => {
    assert.ok(taken > 300, String(taken));
    assert.equal((await client.stats()).events, taken);
    assert.ok(await client.find("email:zoé.müller+news@exemple.fr"));
  });
} else {
  it("recordings of SDKs", (t) => t.skip(`there are no recordings in ${SHARED}; RAPPORT_SHARED says where they are`));
}
