// Kill -9 at any instant loses nothing that was acknowledged, and applies nothing twice.
import assert from "node:assert/strict";
import { after, it } from "node:test";
import type { Customer } from "../lib/documents.ts";
import { identify, times } from "../lib/message.ts";
import { LONG, must } from "../lib/program.ts";
import { Server } from "../lib/server.ts";
import { makeWorkspace, removeWorkspace } from "../lib/workspace.ts";
import { sleep } from "../lib/poll.ts";
import { load, Writer } from "../lib/writer.ts";

const ROUNDS = LONG ? 100 : 5;
const WRITERS = 8;
const CHECKED_EVERY = 25; // the whole workspace; what was acknowledged is looked for in any case

const workspace = await makeWorkspace();
after(() => removeWorkspace(workspace));

it(`${ROUNDS} times under ${WRITERS} writers`, async (t) => {
  const writers = times(WRITERS, (index) => new Writer(`crash-${index}`));
  const total = (): number => writers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  for (let round = 0; round < ROUNDS; round++) {
    const before = total();
    const server = await Server.start(workspace);
    t.after(() => server.kill());
    // Each round dies at another moment: from the first requests on to well into the work.
    await load(writers, server, 60 + ((round * 577) % 900), () => server.kill());
    if (round > 0) assert.ok(total() >= before);
    if (!LONG || (round + 1) % CHECKED_EVERY === 0)
      await must(["check", "--data", workspace.data], { timeout_ms: 120_000 });
  }
  assert.ok(total() > 0);
  const server = await Server.start(workspace);
  const client = server.client();
  for (const writer of writers) await writer.check(client);
  client.close();
  await server.stop();
});

/** Started at a time of its own, so that what a dead process had claimed is over. */
async function startAt(round: number): Promise<Server> {
  const now = new Date(Date.parse("2027-01-01T00:00:00Z") + round * 61_000).toISOString();
  return Server.start(workspace, { args: ["--test-clock", now] });
}

it(`${ROUNDS} times under writes with an Idempotency-Key: each is done once, and its reply is not lost`, async (t) => {
  const replies = new Map<string, string>();
  const first = await startAt(0);
  t.after(() => first.kill());
  const sender = first.sender();
  const names = times(60, (index) => `once-${index}`);
  await sender.takeAll(names.map((userId) => identify({ userId })));
  sender.close();
  await first.stop();

  const ask = async (server: Server, name: string): Promise<void> => {
    const client = server.client();
    try {
      const reply = await client.ask("POST", `/v1/customers/user_id%3A${name}/corrections`, {
        body: { traits: { city: name }, author: "ana" },
        headers: { "idempotency-key": name },
      });
      if (reply.status === 503) return;
      reply.expect<Customer>();
      const known = replies.get(name);
      if (known !== undefined) assert.equal(reply.headers["idempotency-hit"], "true");
      assert.equal(reply.text, known ?? reply.text);
      replies.set(name, reply.text);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error; // anything else: the server is gone
    } finally {
      client.close();
    }
  };
  for (let round = 1; round <= ROUNDS; round++) {
    const server = await startAt(round);
    t.after(() => server.kill());
    const asked = Promise.all(names.map((name) => ask(server, name)));
    await sleep((round * 13) % 60);
    await server.kill();
    await asked;
  }
  const last = await startAt(ROUNDS + 1);
  t.after(() => last.kill());
  await Promise.all(names.map((name) => ask(last, name)));
  const client = last.client();
  for (const name of names) {
    const events = await client.allEvents(`user_id:${name}`);
    assert.equal(events.filter((event) => event.name === "Corrected").length, 1, name);
    assert.equal((await client.get(`/v1/customers/user_id%3A${name}`)).text, replies.get(name));
  }
  client.close();
  await last.stop();
});
