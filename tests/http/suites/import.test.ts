// Files in: twice changes nothing, a crash in the middle is gone on from, and every way in gives the same customers.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { Customer, Event, Page, Stats } from "../lib/documents.ts";
import { until } from "../lib/poll.ts";
import { must, run, start } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";
import { makeWorkspace, removeWorkspace, temporary, type Workspace } from "../lib/workspace.ts";

interface Imported {
  lines: number;
  taken: number;
  duplicates: number;
  rejected: number;
  aside: number;
  resumed: boolean;
  stopped: boolean;
}

const directory = await temporary();
const history = join(directory, "history.ndjson");
const workspaces: Workspace[] = [];
after(async () => {
  await Promise.all(workspaces.map(removeWorkspace));
  await rm(directory, { recursive: true });
});

await writeFile(
  history,
  await must([
    "demo",
    "--emit",
    "--customers",
    "1500",
    "--events-per-customer",
    "20",
    "--seed",
    "7",
    "--now",
    "2026-11-01T00:00:00Z",
  ]),
);
const lines = (await readFile(history, "utf8")).trimEnd().split("\n").length;

async function empty(): Promise<Workspace> {
  const workspace = await makeWorkspace();
  workspaces.push(workspace);
  return workspace;
}

async function load(file: string, workspace: Workspace, more: readonly string[] = []): Promise<Imported> {
  return JSON.parse(await must(["import", file, "--data", workspace.data, "--json", ...more])) as Imported;
}

/** The counts that do not depend on the way in; how many merges it took depends on which event came first. */
async function counts(workspace: Workspace): Promise<Partial<Stats>> {
  const { customers, events, identifiers, set_aside } = JSON.parse(
    await must(["stats", "--data", workspace.data, "--json"]),
  ) as Stats;
  return { customers, events, identifiers, set_aside };
}

async function customer(reference: string, workspace: Workspace): Promise<Customer> {
  return JSON.parse(await must(["customer", reference, "--data", workspace.data, "--json"])) as Customer;
}

const whole = await empty();
const began_ms = Date.now();
const first = await load(history, whole);
const took_ms = Date.now() - began_ms;
const expected = await counts(whole);

describe("a file", () => {
  it("is taken whole, and what is refused is written beside it with its reason", async () => {
    assert.equal(first.lines, lines);
    assert.equal(first.taken + first.duplicates + first.rejected + first.aside, lines);
    assert.ok(first.taken > lines * 0.9, JSON.stringify(first));
    assert.equal(expected.events, first.taken);
    assert.equal(expected.set_aside, first.aside);
    assert.ok(first.aside > 0, "robots and clocks gone wrong are set aside");
    await must(["check", "--data", whole.data]);
    if (first.rejected > 0) {
      const rejects = (await readFile(`${history}.rejects.ndjson`, "utf8")).trimEnd().split("\n");
      assert.equal(rejects.length, first.rejected);
      for (const line of rejects) assert.ok((JSON.parse(line) as { code: string }).code);
    }
  });

  it("taken again changes nothing", async () => {
    const again = await load(history, whole);
    assert.equal(again.taken, 0);
    assert.deepEqual(await counts(whole), expected);
  });

  it("under another name and zipped changes nothing either", async () => {
    const zipped = join(directory, "other.ndjson.gz");
    await writeFile(zipped, gzipSync(await readFile(history)));
    assert.equal((await load(zipped, whole)).taken, 0);
    assert.deepEqual(await counts(whole), expected);
  });

  it("without message ids, taken twice, changes nothing", async () => {
    const bare = join(directory, "bare.ndjson");
    const line = JSON.stringify({ type: "track", userId: "bare", event: "Opened", timestamp: "2026-01-01T00:00:00Z" });
    await writeFile(bare, `${line}\n${line}\n{broken\n`);
    const workspace = await empty();
    const one = await load(bare, workspace);
    assert.deepEqual([one.taken, one.rejected], [2, 1]);
    const copy = join(directory, "bare-copy.ndjson");
    await writeFile(copy, `${line}\n${line}\n${line}\n`);
    assert.deepEqual((await load(copy, workspace)).taken, 1, "the third is one more than there was");
  });

  it("that is not there, or no file of events, is told", async () => {
    const missing = await run(["import", join(directory, "missing.ndjson"), "--data", whole.data]);
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /missing\.ndjson/);
    const source = await run(["import", history, "--data", whole.data, "--source", "nobody"]);
    assert.notEqual(source.code, 0);
    assert.match(source.stderr, /nobody/);
    const remote = await run(["import", "people.csv", "--url", "http://127.0.0.1:9"], { env: { RAPPORT_KEY: "none" } });
    assert.match(remote.stderr, /people\.csv.*--data/);
  });

  it("of which nothing can be read says where the reasons are", async () => {
    const table = join(directory, "unknown.csv");
    await writeFile(table, "Kunde,Betrag\n1,12\n");
    const told = await run(["import", table, "--data", whole.data]);
    assert.match(told.stderr, /unknown\.csv\.rejects\.ndjson[^]*--map/);
  });
});

describe("a crash in the middle", () => {
  /** Begins the import and kills it; how many events are in the workspace then. */
  async function crash(workspace: Workspace, after_ms: number): Promise<number> {
    const child = start(["import", history, "--data", workspace.data]);
    const ended = once(child, "exit");
    child.stdout?.resume();
    child.stderr?.resume();
    const timer = setTimeout(() => child.kill("SIGKILL"), after_ms);
    await ended;
    clearTimeout(timer);
    await must(["check", "--data", workspace.data]);
    return (await counts(workspace)).events ?? 0;
  }

  it("is gone on from, without doubling", async () => {
    const workspace = await empty();
    let after_ms = took_ms * 0.3;
    let events = 0;
    for (let attempt = 0; attempt < 12 && events === 0; attempt++) {
      events = await crash(workspace, after_ms);
      after_ms *= 1.3;
    }
    assert.ok(events > 0 && events < first.taken, `${events} events at the crash`);
    await crash(workspace, after_ms / 2);
    const rest = await load(history, workspace);
    assert.ok(rest.taken < first.taken, "what was taken before a crash is not taken again");
    assert.deepEqual(await counts(workspace), expected);
    await must(["check", "--data", workspace.data]);
  });

  it("Ctrl-C ends cleanly, and the same command goes on", async () => {
    const workspace = await empty();
    const child = start(["import", history, "--data", workspace.data, "--json"]);
    const ended = once(child, "exit") as Promise<[number | null]>;
    child.stdout?.resume();
    child.stderr?.resume();
    setTimeout(() => child.kill("SIGINT"), took_ms / 2);
    await ended;
    await load(history, workspace);
    assert.deepEqual(await counts(workspace), expected);
  });
});

describe("every way in", () => {
  it("to a running server, line by line, gives the same customers", async () => {
    const site = await openSite();
    const env = { RAPPORT_KEY: site.workspace.secret_key };
    const remote = JSON.parse(await must(["import", history, "--url", site.server.url, "--json"], { env })) as Imported;
    assert.equal(remote.taken, first.taken);
    const { customers, events } = await site.client.stats();
    assert.deepEqual([customers, events], [expected.customers, expected.events]);
    const again = JSON.parse(await must(["import", history, "--url", site.server.url, "--json"], { env })) as Imported;
    assert.equal(again.taken, 0);
    await site.close();
  });

  it("from standard input", async () => {
    const workspace = await empty();
    const text = await must(
      ["import", "-", "--rejects", join(directory, "rejects.ndjson"), "--data", workspace.data, "--json"],
      {
        input: await readFile(history, "utf8"),
      },
    );
    assert.equal((JSON.parse(text) as Imported).taken, first.taken);
    assert.deepEqual(await counts(workspace), expected);
  });
});

describe("a table", () => {
  it("of customers, with its usual names", async () => {
    const workspace = await empty();
    const table = join(directory, "plain.csv");
    await writeFile(table, "userId,email,firstName\np-1,p1@exemple.fr,Paula\np-2,p2@exemple.fr,Pia\n");
    assert.equal((await load(table, workspace)).taken, 2);
    const paula = await customer("email:p1@exemple.fr", workspace);
    assert.equal(paula.traits["firstName"], "Paula");
    assert.equal((await load(table, workspace)).taken, 0);
  });

  it("of orders from a French spreadsheet, with its columns mapped", async () => {
    const workspace = await empty();
    const table = join(directory, "orders.csv");
    const rows = [
      "\uFEFFMail;Date;Montant;Note",
      '"Zoe@Exemple.fr";24/12/2025 18:30;1 234,50;"dit ""bonjour""; souvent"',
      "leo@exemple.fr;31/12/2025 09:00;9,90;",
    ];
    await writeFile(table, `${rows.join("\r\n")}\r\n`);
    const map = join(directory, "orders.map.json");
    const columns = {
      Mail: "context.traits.email",
      Date: "timestamp",
      Montant: "properties.total",
      Note: "properties.note",
    };
    const constants = { type: "track", event: "Order Completed" };
    await writeFile(map, JSON.stringify({ columns, constants, numbers: ["properties.total"], date_format: "dmy" }));
    assert.equal((await load(table, workspace, ["--map", map])).taken, 2);
    const text = await must(["events", "email:zoe@exemple.fr", "--data", workspace.data, "--json"]);
    const [order] = (JSON.parse(text) as Page<Event>).items;
    assert.deepEqual(order?.properties, { total: 1234.5, note: 'dit "bonjour"; souvent' });
    assert.match(order.time, /^2025-12-24/);
  });

  it("with a column that is not there names the nearest", async () => {
    const table = join(directory, "typo.csv");
    await writeFile(table, "E-mail;id\na@b.fr;1\n");
    const map = join(directory, "typo.map.json");
    await writeFile(map, JSON.stringify({ columns: { "E-mial": "traits.email" } }));
    const result = await run(["import", table, "--map", map, "--data", whole.data]);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /E-mial.*E-mail/s);
  });
});

describe("backup and restore", () => {
  it("bring back what was, and keep erased who was erased since", async () => {
    const workspace = await empty();
    const file = join(directory, "few.ndjson");
    const people = ["ana", "leo"].map((userId) =>
      JSON.stringify({ type: "identify", userId, messageId: userId, traits: { email: `${userId}@exemple.fr` } }),
    );
    await writeFile(file, people.join("\n"));
    await load(file, workspace);
    const before = await must(["customer", "user_id:leo", "--data", workspace.data, "--json"]);
    const backup = join(workspace.directory, "backup");
    await must(["backup", backup, "--data", workspace.data]);
    assert.notEqual(
      (await run(["backup", backup, "--data", workspace.data])).code,
      0,
      "a backup is never written over",
    );
    await must(["erase", "user_id:ana", "--yes", "--data", workspace.data]);
    await must(["correct", "user_id:leo", "--set", "city=Lyon", "--author", "ana", "--data", workspace.data]);
    const told = await must(["restore", backup, "--data", workspace.data]);
    assert.match(told, /erased/);
    assert.equal(await must(["customer", "user_id:leo", "--data", workspace.data, "--json"]), before);
    assert.notEqual((await run(["customer", "user_id:ana", "--data", workspace.data])).code, 0, "she stays erased");
    await must(["check", "--data", workspace.data]);
    const old = await run(["stats", "--data", backup]);
    assert.equal(old.code, 0, "a backup is a data directory itself");
  });

  it("of what is no backup changes nothing", async () => {
    const workspace = await empty();
    const result = await run(["restore", directory, "--data", workspace.data]);
    assert.notEqual(result.code, 0);
    await until("the workspace is as it was", 1000, async () =>
      (await counts(workspace)).events === 0 ? true : undefined,
    );
  });
});
