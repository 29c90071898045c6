// Kill -9 at any instant loses nothing that was acknowledged, and applies nothing twice.
import assert from "node:assert/strict";
import { after, it } from "node:test";
import { times } from "../lib/message.ts";
import { LONG, must } from "../lib/program.ts";
import { Server } from "../lib/server.ts";
import { makeWorkspace, removeWorkspace } from "../lib/workspace.ts";
import { load, Writer } from "../lib/writer.ts";

const ROUNDS = LONG ? 100 : 5;
const WRITERS = 8;

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
    await must(["check", "--data", workspace.data], { timeout_ms: 120_000 });
  }
  assert.ok(total() > 0);
  const server = await Server.start(workspace);
  const client = server.client();
  for (const writer of writers) await writer.check(client);
  client.close();
  await server.stop();
});
