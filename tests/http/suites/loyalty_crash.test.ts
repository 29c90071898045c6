// One booking and one answer for each key, wherever between a request and its reply the program was killed.
//
// A round keeps many requests in flight and kills the server at a random moment. The next server gets every key again,
// twice. What the round did to a key is known then: it was answered before the kill;
// it was committed but not answered, when the first retry says that it is a repetition; or it was not committed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { after, describe, it, type TestContext } from "node:test";
import type { Client, Reply } from "../lib/client.ts";
import { times } from "../lib/message.ts";
import { LONG, must } from "../lib/program.ts";
import { Server } from "../lib/server.ts";
import { CLUB, type Balance, type Code, type Member, type Posting } from "../lib/shop.ts";
import { makeWorkspace, removeWorkspace, type Workspace } from "../lib/workspace.ts";

const KILLS = Number(process.env["RAPPORT_TEST_KILLS"] ?? (LONG ? 100 : 30));
const CHECKED_EVERY = 25; // rounds
const MEMBERS = 16;
const LANES = 40; // requests in flight
const KINDS = ["burn", "burn", "order", "redeem", "hold"] as const;
const START = 1000;
const BOUGHT = 7;

interface Wanted {
  key: string;
  path: string;
  body: object;
  sent?: true;
  answer?: string;
}
interface Round {
  number: number;
  members: string[];
  codes: string[];
  wanted: Wanted[];
}
interface Tally {
  before: number;
  between: number;
  after: number;
  kills_between: number;
}

const amountOf = (i: number): number => i + 1;

function wantedOf(number: number, i: number, customer: string, code: string): Wanted {
  const amount = amountOf(i);
  const what = {
    burn: { path: "/v1/loyalty/points/burn", body: { customer, amount } },
    order: { path: "/v1/loyalty/orders", body: { customer, cart: { order_id: `o${number}-${i}`, total: BOUGHT } } },
    redeem: { path: "/v1/loyalty/codes/redeem", body: { customer, code } },
    hold: { path: "/v1/loyalty/points/hold", body: { customer, amount } },
  };
  return { key: `key-${number}-${i}`, ...what[KINDS[Math.floor(i / MEMBERS)] ?? "burn"] };
}

/** New members with points, and a code for each. */
async function prepare(client: Client, number: number): Promise<Round> {
  const members = times(MEMBERS, (i) => `user_id:r${number}m${i}`);
  const items = members.map((customer, i) => ({
    order: { customer, cart: { order_id: `start-${number}-${i}`, total: START } },
  }));
  (await client.ask("POST", "/v1/loyalty/till/batch", { body: { items } })).expect();
  const made = await client.ask("POST", "/v1/loyalty/codes", { body: { voucher: "ONE", count: MEMBERS } });
  const codes = made.expect<{ codes: Code[] }>().codes.map(({ code }) => code);
  const wanted = times(MEMBERS * KINDS.length, (i) =>
    wantedOf(number, i, members[i % MEMBERS] ?? "", codes[i % MEMBERS] ?? ""),
  );
  return { number, members, codes, wanted };
}

/** Undefined when the server is gone. */
async function ask(client: Client, { key, path, body }: Wanted): Promise<Reply | undefined> {
  try {
    const reply = await client.ask("POST", path, { body, headers: { "idempotency-key": key } });
    if (reply.status === 503) return undefined;
    reply.expect();
    return reply;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return undefined;
  }
}

/** Kills by a process of its own, which waits for no answer that this one still reads. */
function killer(pid: number, wait_ms: number): { go(): void; done: Promise<void> } {
  const script = `read go; sleep ${(wait_ms / 1000).toFixed(6)}; kill -9 ${pid}`;
  const child = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "ignore", "inherit"] });
  const done = new Promise<void>((ended) => child.once("close", () => ended()));
  return { go: () => child.stdin.end("go\n"), done };
}

/** Sends all, each lane one after the other, and kills after so long. How many were answered by then is returned. */
async function askAndKill(server: Server, { wanted }: Round, wait_ms: number): Promise<number> {
  const client = server.client();
  const end = killer(server.pid, wait_ms);
  const left = [...wanted];
  let answers = 0;
  const asked = times(LANES, async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      one.sent = true;
      const reply = await ask(client, one);
      if (reply === undefined) return;
      one.answer = reply.text;
      answers++;
    }
  });
  end.go();
  await end.done;
  await server.end();
  await Promise.all(asked);
  client.close();
  return answers;
}

/** The same keys again, twice: a repetition of what was answered or committed, else the first time. */
async function askAgain(client: Client, { wanted }: Round, tally: Tally): Promise<void> {
  let between = 0;
  const again = async (one: Wanted): Promise<void> => {
    const first = await ask(client, one);
    assert.ok(first, one.key);
    const repeated = first.headers["idempotency-hit"] === "true";
    if (one.answer !== undefined) {
      assert.ok(repeated, `${one.key} was answered and is not known`);
      assert.equal(first.text, one.answer);
      tally.after++;
    } else if (repeated) {
      between++;
    } else if (one.sent) {
      tally.before++;
    }
    const second = await ask(client, one);
    assert.equal(second?.headers["idempotency-hit"], "true");
    assert.ok(second?.body.equals(first.body), one.key);
    one.answer = first.text;
  };
  await Promise.all(wanted.map(again));
  tally.between += between;
  tally.kills_between += between > 0 ? 1 : 0;
}

/** What a round was to do is done once: by balances, movements and uses. */
async function expectOnce(client: Client, { number, members, codes, wanted }: Round): Promise<void> {
  const amounts = (m: number, kind: string): number[] =>
    KINDS.flatMap((one, k) => (one === kind ? [amountOf(k * MEMBERS + m)] : []));
  const sum = (all: number[]): number => all.reduce((total, one) => total + one, 0);
  for (const [m, customer] of members.entries()) {
    const { programmes } = (await client.get(`/v1/customers/${customer}/loyalty`)).expect<Member>();
    const { active, held, spent } = programmes[0]?.balances[0] ?? ({} as Balance);
    const [burnt, on_hold] = [sum(amounts(m, "burn")), sum(amounts(m, "hold"))];
    assert.deepEqual([active, held, spent], [START + BOUGHT - burnt - on_hold, on_hold, burnt], customer);
    const page = await client.get(`/v1/customers/${customer}/statement`, { limit: 100 });
    const { items } = page.expect<{ items: Posting[] }>();
    const told = items.map(({ kind, entries }) => [kind, sum(entries.map(({ amount }) => amount))]);
    const expected = [
      ["earn", START],
      ["earn", BOUGHT],
      ...amounts(m, "burn").map((amount) => ["spend", amount]),
      ...amounts(m, "hold").map((amount) => ["hold", amount]),
    ];
    assert.deepEqual(told.map(String).sort(), expected.map(String).sort(), customer);
    const code = (await client.get(`/v1/loyalty/codes/${codes[m]}`)).expect<Code>();
    assert.equal(code.uses, 1, code.code);
  }
  assert.ok(
    wanted.every(({ answer }) => answer !== undefined),
    `round ${number}`,
  );
}

/** Started at a time of its own, so that what a dead process had claimed is over. */
async function startAt(workspace: Workspace, t: TestContext, round: number): Promise<Server> {
  const now = new Date(Date.parse("2027-01-01T00:00:00Z") + round * 61_000).toISOString();
  const server = await Server.start(workspace, { args: ["--test-clock", now] });
  t.after(() => server.kill());
  return server;
}

async function open(client: Client): Promise<void> {
  const one = { id: "ONE", programme: "club", discount: { amount: "10.00" }, uses: { per_code: 1 } };
  const rules = [{ id: "purchase", on: "Order Completed", earn: "floor(paid)" }];
  (await client.ask("PUT", "/v1/loyalty/programmes", { body: { ...CLUB, rules } })).expect();
  (await client.ask("PUT", "/v1/loyalty/vouchers", { body: one })).expect();
}

describe("kill -9 around the commit", () => {
  it(`${KILLS} times books each key once and answers it with the same bytes`, async (t) => {
    const workspace = await makeWorkspace();
    after(() => removeWorkspace(workspace));
    const tally: Tally = { before: 0, between: 0, after: 0, kills_between: 0 };
    let last: Round | undefined;
    let window_ms = 50; // until when a kill may come: from the first request to about the last answer
    for (let number = 0; number <= KILLS; number++) {
      const server = await startAt(workspace, t, number);
      const client = server.client();
      if (number === 0) await open(client);
      if (last !== undefined) {
        await askAgain(client, last, tally);
        await expectOnce(client, last);
      }
      if (number === KILLS) {
        client.close();
        await server.stop();
        break;
      }
      last = await prepare(client, number);
      client.close();
      const answers = await askAndKill(server, last, randomInt(Math.ceil(window_ms * 1000)) / 1000);
      if (answers === last.wanted.length) window_ms *= 0.7;
      if (answers === 0) window_ms *= 1.3;
      if ((number + 1) % CHECKED_EVERY === 0) await must(["check", "--data", workspace.data], { timeout_ms: 120_000 });
    }
    await must(["check", "--data", workspace.data], { timeout_ms: 120_000 });
    await must(["loyalty", "verify", "--data", workspace.data], { timeout_ms: 120_000 });
    t.diagnostic(
      `${KILLS} kills: of the requests ${tally.before} were not committed, ` +
        `${tally.between} committed and not answered (in ${tally.kills_between} kills), ${tally.after} answered`,
    );
    assert.ok(tally.before > 0 && tally.after > 0, "kills fell on one side of the commits only");
    assert.ok(tally.between > 0, "no kill fell between a commit and its reply");
  });
});
