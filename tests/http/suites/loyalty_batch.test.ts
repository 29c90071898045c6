// Codes by the million: a batch of them goes on across kill -9, and is downloaded whole.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Client } from "../lib/client.ts";
import { sleep } from "../lib/poll.ts";
import { Server } from "../lib/server.ts";
import { CLUB } from "../lib/shop.ts";
import { makeWorkspace, removeWorkspace } from "../lib/workspace.ts";

interface Batch {
  id: string;
  status: string;
  progress: { done: number; total: number };
}

const ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const COUNT = 60_000;
const workspace = await makeWorkspace();
let server = await Server.start(workspace);
let client: Client = server.client();
const path = "/v1/loyalty/batches";
const look = async (id: string): Promise<Batch> => (await client.ask("GET", `${path}/${id}`)).expect<Batch>();

after(async () => {
  client.close();
  await server.stop();
  await removeWorkspace(workspace);
});

async function again(): Promise<void> {
  client.close();
  await server.kill();
  server = await Server.start(workspace);
  client = server.client();
}

function isSound(code: string): boolean {
  const sum = [...code].reverse().reduce((total, letter, i) => total + ((i % 30) + 1) * ALPHABET.indexOf(letter), 0);
  return sum % 31 === 0;
}

async function ended(id: string): Promise<Batch> {
  for (;;) {
    const batch = await look(id);
    if (batch.status !== "running") return batch;
    await sleep(50);
  }
}

describe("a batch of codes", () => {
  const body = { voucher: "TEN", count: COUNT };
  const headers = { "Idempotency-Key": "spring-mailing" };
  let id = "";

  it("is begun once, however often it is asked for by one key", async () => {
    (await client.ask("PUT", "/v1/loyalty/programmes", { body: CLUB })).expect();
    const voucher = { id: "TEN", programme: "club", discount: { amount: "10.00" } };
    (await client.ask("PUT", "/v1/loyalty/vouchers", { body: voucher })).expect();
    const first = await client.ask("POST", path, { body, headers });
    id = first.expect<Batch>(202).id;
    const second = await client.ask("POST", path, { body, headers });
    assert.deepEqual(second.expect<Batch>(202), first.json());
    assert.equal((await client.ask("GET", path)).expect<{ items: Batch[] }>().items.length, 1);
  });

  it("goes on where it was when its server is killed", async () => {
    for (let i = 0; i < 4; i++) {
      await sleep(25 * i);
      await again();
    }
    const batch = await ended(id);
    assert.deepEqual([batch.status, batch.progress], ["done", { done: COUNT, total: COUNT }]);
  });

  it("is downloaded whole: all codes different, all sound, all to be used", async () => {
    const reply = await client.ask("GET", `${path}/${id}/codes?format=csv`);
    assert.equal(reply.headers["content-type"], "text/csv; charset=utf-8");
    const lines = reply.text.trimEnd().split("\r\n");
    assert.equal(lines.shift(), "code,voucher,state,uses,valid_to,balance");
    const codes = lines.map((line) => line.split(",")[0] ?? "");
    assert.equal(codes.length, COUNT);
    assert.equal(new Set(codes).size, COUNT);
    assert.ok(codes.every((code) => code.length === 13 && isSound(code)));
    const use = { body: { code: codes[COUNT - 1] } };
    (await client.ask("POST", "/v1/loyalty/codes/redeem", use)).expect();
    const objects = (await client.ask("GET", `${path}/${id}/codes?format=ndjson`)).text.trimEnd().split("\n");
    assert.equal(objects.length, COUNT);
    const last = JSON.parse(objects[COUNT - 1] ?? "") as { code: string; uses: number };
    assert.deepEqual([last.code, last.uses], [codes[COUNT - 1], 1]);
  });

  it("is stopped and resumed", async () => {
    const more = (await client.ask("POST", path, { body: { voucher: "TEN", count: 1_000_000 } })).expect<Batch>(202);
    const stopped = (await client.ask("DELETE", `${path}/${more.id}`)).expect<Batch>();
    assert.equal(stopped.status, "stopped");
    await sleep(300);
    assert.deepEqual((await look(more.id)).progress, stopped.progress);
    (await client.ask("POST", `${path}/${more.id}/resume`)).expect<Batch>(202);
    while ((await look(more.id)).progress.done === stopped.progress.done) await sleep(20);
    (await client.ask("DELETE", `${path}/${more.id}`)).expect();
  });

  it("is refused with the member that is wrong", async () => {
    const ask = (wrong: object) => client.ask("POST", path, { body: wrong });
    (await ask({ voucher: "TEN", count: 0 })).refused(400, "out_of_range", /count/);
    (await ask({ voucher: "TEN", count: 5, customer: "c1" })).refused(400, "unknown_member");
    (await ask({ voucher: "nix", count: 5 })).refused(404, "no_voucher");
    (await client.ask("GET", `${path}/b999`)).refused(404, "no_batch");
    (await client.ask("GET", `${path}/b999/codes`)).refused(404, "no_batch");
    (await client.ask("GET", `${path}/${id}/codes?format=xml`)).refused(400, "bad_parameter");
  });
});
