// What a running server does for its operator while it goes on: backups and checks.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Job } from "../lib/documents.ts";
import { identify, times } from "../lib/message.ts";
import { sleep } from "../lib/poll.ts";
import { LONG, must, run } from "../lib/program.ts";
import { openSite, Server } from "../lib/server.ts";
import { makeWorkspace, removeWorkspace, type Workspace } from "../lib/workspace.ts";
import { load, Writer } from "../lib/writer.ts";

const ROUNDS = LONG ? 60 : 8;
const WRITERS = 6;

const workspace = await makeWorkspace();
const directory = join(workspace.directory, "backups");
await mkdir(directory);
const serve = (): Promise<Server> => Server.start(workspace, { args: ["--backup-dir", directory] });
let server = await serve();
let client = server.client();
const here = (name: string): string => join(directory, name);

after(async () => {
  client.close();
  await server.stop();
  await removeWorkspace(workspace);
});

async function again(): Promise<void> {
  client.close();
  server = await serve();
  client = server.client();
}

/** Restores into a directory that was not there; the restored workspace must hold. */
async function restored(backup: string): Promise<Workspace> {
  const data = join(workspace.directory, `restored-${backup}`);
  await must(["restore", here(backup), "--data", data]);
  await must(["check", "--data", data]);
  return { ...workspace, data };
}

describe("a backup of a running server", () => {
  it("holds all that was acknowledged before it began, under writers that go on", async (t) => {
    const writers = times(WRITERS, (index) => new Writer(`backup-${index}`));
    const before = new Map<Writer, string[]>();
    const names = ["first", "second", "third"];
    await load(writers, server, 300, async () => {
      for (const name of names) {
        await sleep(150);
        if (name === "third") for (const writer of writers) before.set(writer, [...writer.acknowledged]);
        const job = await client.ended(await client.startBackup(name));
        assert.equal(job.state, "done", JSON.stringify(job.error));
        assert.equal(job.backup?.path, here(name));
        assert.ok((job.backup?.bytes ?? 0) > 0);
        assert.equal(job.progress.done, job.progress.total);
      }
    });
    for (const name of names) await must(["check", "--data", here(name)]);
    const copy = await Server.start(await restored("third"));
    t.after(() => copy.kill());
    const reader = copy.client();
    for (const [writer, acknowledged] of before) {
      assert.ok(acknowledged.length > 0);
      const ids = (await reader.allEvents(writer.reference)).map(({ message_id }) => message_id ?? "");
      assert.equal(new Set(ids).size, ids.length);
      const found = new Set(ids);
      assert.deepEqual(
        acknowledged.filter((id) => !found.has(id)),
        [],
      );
    }
    reader.close();
    await copy.stop();
  });

  it("is named by one word, and reaches nothing outside its directory", async () => {
    const names = [
      "",
      ".",
      "..",
      "../up",
      "/tmp/rapport-up",
      "a/b",
      ".hidden",
      "a b",
      "é",
      "x.partial",
      "n".repeat(101),
    ];
    for (const name of names) {
      const problem = (await client.ask("POST", "/v1/backups", { body: { name } })).refused(
        400,
        "bad_name",
        /one word/,
      );
      assert.equal(problem.field, "name", name);
    }
    for (const body of [{}, { name: null }])
      (await client.ask("POST", "/v1/backups", { body })).refused(400, "bad_name");
    (await client.ask("POST", "/v1/backups", { body: { name: 7 } })).refused(400, "not_text");
    (await client.ask("POST", "/v1/backups")).refused(400, "missing_body", /name/);
    assert.deepEqual((await readdir(directory)).sort(), ["first", "second", "third"]);
  });

  it("is never written over", async () => {
    (await client.ask("POST", "/v1/backups", { body: { name: "first" } })).refused(422, "backup_exists", /first/);
  });

  it("started twice under one Idempotency-Key is made once", async () => {
    const headers = { "idempotency-key": "nightly" };
    const ask = (): ReturnType<typeof client.ask> =>
      client.ask("POST", "/v1/backups", { body: { name: "nightly" }, headers });
    const first = (await ask()).expect<Job>(202);
    assert.equal((await ask()).expect<Job>(202).id, first.id);
    assert.equal((await client.ended(first)).state, "done");
  });

  it("is refused where the operator named no directory, and where it is gone", async (t) => {
    const site = await openSite();
    t.after(() => site.close());
    const body = { name: "x" };
    (await site.client.ask("POST", "/v1/backups", { body })).refused(403, "backups_off", /--backup-dir/);
    const other = await makeWorkspace();
    const lost = await Server.start(other, { env: { RAPPORT_BACKUP_DIR: join(other.directory, "lost") } });
    t.after(() => lost.kill());
    const asker = lost.client();
    (await asker.ask("POST", "/v1/backups", { body })).refused(503, "backup_dir", /lost/);
    asker.close();
    await lost.stop();
    await removeWorkspace(other);
  });
});

describe("a check of a running server", () => {
  it("finds nothing wrong while others write", async () => {
    const writers = times(WRITERS, (index) => new Writer(`check-${index}`));
    await load(writers, server, 100, async () => {
      for (let round = 0; round < 5; round++) {
        const job = await client.ended(await client.startCheck());
        assert.deepEqual([job.state, job.check], ["done", { breaches: 0, first: [] }], JSON.stringify(job));
        assert.ok(job.progress.done > 0);
      }
    });
  });
});

describe("jobs", () => {
  it("run one at a time", async () => {
    const people = times(2000, (index) => identify({ userId: `many-${index}` }, { firstName: `Zoé ${index}` }));
    await client.takeAll(people);
    const replies = await Promise.all(times(6, () => client.ask("POST", "/v1/checks")));
    const started = replies.filter(({ status }) => status === 202);
    const refused = replies.filter(({ status }) => status !== 202);
    assert.ok(started.length > 0 && refused.length > 0, replies.map(({ status }) => status).join(" "));
    for (const reply of refused) {
      reply.refused(409, "job_running", /\/v1\/jobs\/[0-9a-f]{16}/);
      assert.equal(reply.headers["retry-after"], "1");
    }
    for (const reply of started) await client.ended(reply.json<Job>());
  });

  it("are listed, the newest first, and one that is not there is told", async () => {
    const last = await client.ended(await client.startCheck());
    const { items } = (await client.get("/v1/jobs")).expect<{ items: Job[] }>();
    assert.deepEqual(items[0], last);
    assert.ok(items.some(({ kind }) => kind === "backup") && items.length <= 16);
    (await client.get("/v1/jobs/0123456789abcdef")).refused(404, "no_job");
  });

  it("need the scope admin", async () => {
    const { key } = await client.makeKey({
      kind: "secret",
      name: "all but",
      scopes: ["read", "write", "erase", "collect"],
    });
    for (const [method, path] of [
      ["POST", "/v1/backups"],
      ["POST", "/v1/checks"],
      ["GET", "/v1/jobs"],
      ["GET", "/v1/jobs/1"],
    ] as const)
      (await client.ask(method, path, { key })).refused(403, "missing_scope", /admin/);
  });
});

describe("the command line", () => {
  const ask = (...words: string[]): ReturnType<typeof run> =>
    run([...words, "--url", server.url], { env: { RAPPORT_KEY: workspace.secret_key } });

  it("says of a server what it says of a directory", async () => {
    assert.equal((await ask("check")).stdout, "everything holds\n");
    assert.equal((await ask("check", "--json")).stdout, '{"breaches":0}\n');
    assert.equal((await ask("backup", "by-command")).stdout, `backed up to ${here("by-command")}\n`);
    assert.equal((await ask("backup", "by-json", "--json")).stdout, `{"backup":${JSON.stringify(here("by-json"))}}\n`);
    await restored("by-command");
  });

  it("tells a refusal and exits with 1", async () => {
    for (const [name, words] of [
      ["by-command", /take another name/],
      ["../x", /one word/],
    ] as const) {
      const result = await ask("backup", name);
      assert.equal(result.code, 1);
      assert.match(result.stderr, words);
      assert.equal(result.stdout, "");
    }
  });
});

describe("a server that is killed while it makes a backup", () => {
  it(`${ROUNDS} times: leaves no directory that passes for a whole one, and the next of that name is made`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const name = `killed-${round}`;
      const writers = times(WRITERS, (index) => new Writer(`killed-${round}-${index}`));
      await load(writers, server, 100, async () => {
        await client.startBackup(name);
        await sleep((round * 7) % 50);
        await server.kill();
      });
      const whole = existsSync(here(name));
      if (whole) await must(["check", "--data", here(name)]);
      await again();
      const next = whole ? `${name}-again` : name;
      const job = await client.ended(await client.startBackup(next));
      assert.equal(job.state, "done", JSON.stringify(job.error));
      await must(["check", "--data", here(next)]);
      assert.deepEqual(
        (await readdir(directory)).filter((entry) => entry.endsWith(".partial")),
        [],
      );
    }
  });

  it("what it left half-way is refused by restore, and nothing is changed", async () => {
    const half = here("half");
    await mkdir(join(half, "db"), { recursive: true });
    const data = join(workspace.directory, "from-half");
    const result = await run(["restore", half, "--data", data]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /no workspace/i);
    assert.ok(!existsSync(data));
  });
});
