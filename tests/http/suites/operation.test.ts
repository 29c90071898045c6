// For whoever runs the program: is it alive, what does it count, does it stop cleanly, does it say what is wrong.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { page, times, track } from "../lib/message.ts";
import { until } from "../lib/poll.ts";
import { must, run } from "../lib/program.ts";
import { openSite, Server } from "../lib/server.ts";
import { removeWorkspace } from "../lib/workspace.ts";
import { load, Writer } from "../lib/writer.ts";

const site = await openSite({ args: ["--key-rate", "200"] });
const { client, sender, server } = site;
after(() => site.close());

describe("operations routes", () => {
  it("/healthz and /readyz are open to all", async () => {
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await client.ask("GET", path, { key: null })).status, 200, path);
  });

  it("/metrics counts what happened, in the format of Prometheus", async () => {
    const before = await client.metrics();
    await sender.takeAll([track({ userId: "metrics" }, "Counted"), page({ userId: "metrics" })]);
    const now = await client.metrics();
    assert.equal((now.get("rapport_events") ?? NaN) - (before.get("rapport_events") ?? NaN), 2);
    for (const [name, value] of now) assert.ok(Number.isFinite(value), name);
    assert.ok((now.get("rapport_resident_memory_bytes") ?? 0) > 1024 * 1024);
  });

  it("/metrics is open to this machine, and through a proxy asks for a key", async () => {
    assert.equal((await client.ask("GET", "/metrics", { key: null })).status, 200);
    const headers = { "x-forwarded-for": "203.0.113.9" };
    (await client.ask("GET", "/metrics", { key: null, headers })).refused(401, "missing_key");
    (await client.ask("GET", "/metrics", { key: site.workspace.write_key, headers })).refused(403, "missing_scope");
    assert.equal((await client.ask("GET", "/metrics", { headers })).status, 200);
  });
});

describe("rate limit", () => {
  it("429 with Retry-After, readable for pages; other keys go on; and after that time it is taken", async () => {
    const batch = (): object[] => times(2500, () => track({ userId: "fast" }, "Fast"));
    await sender.takeAll(batch());
    const headers = { origin: "https://shop.exemple.fr" };
    const reply = await sender.ask("POST", "/v1/t", { body: track({ userId: "fast" }, "One more"), headers });
    reply.refused(429, "rate_limited", /200/);
    const wait_s = Number(reply.headers["retry-after"]);
    assert.ok(wait_s >= 1 && wait_s <= 10, String(wait_s));
    assert.match(reply.headers["access-control-expose-headers"] ?? "", /retry-after/i);
    await client.takeAll([page({ userId: "other-key" })]);
    const body = track({ userId: "fast" }, "Later");
    await until("the key may send again", (wait_s + 5) * 1000, async () => {
      const later = await sender.ask("POST", "/v1/t", { body });
      return later.status === 200 ? true : undefined;
    });
  });
});

describe("a clean stop", () => {
  it("under load: exit status 0, and every acknowledged event is there after the start", async (t) => {
    const own = await openSite();
    t.after(() => own.server.kill());
    const writers = times(6, (index) => new Writer(`stop-${index}`));
    await load(writers, own.server, 1000, () => own.server.stop());
    own.client.close();
    assert.ok(writers.every(({ acknowledged }) => acknowledged.size > 0));
    await must(["check", "--data", own.workspace.data]);
    const again = await Server.start(own.workspace);
    t.after(() => again.kill());
    const reader = again.client();
    for (const writer of writers) await writer.check(reader);
    reader.close();
    await again.stop();
    await removeWorkspace(own.workspace);
  });

  it("on SIGINT as on SIGTERM", async () => {
    const own = await openSite();
    await own.sender.takeAll([page({ userId: "int" })]);
    own.server.signal("SIGINT");
    assert.deepEqual(await own.server.end(), { code: 0, signal: null });
    own.client.close();
    own.sender.close();
    await removeWorkspace(own.workspace);
  });
});

describe("a directory in use", () => {
  it("is told with the way out", async () => {
    for (const args of [
      ["serve", "--listen", "127.0.0.1:0"],
      ["stats"],
      ["correct", "user_id:a", "--set", "a=b", "--author", "x"],
      ["check"],
    ]) {
      const result = await run([...args, "--data", site.workspace.data]);
      assert.notEqual(result.code, 0, args.join(" "));
      assert.match(result.stderr, /in use/);
      assert.match(result.stderr, /--url/);
    }
    await sender.ask("GET", "/healthz");
  });

  it("an address in use is told", async () => {
    const directory = join(site.workspace.directory, "second");
    await must(["init", "--data", directory]);
    const result = await run(["serve", "--data", directory, "--listen", new URL(server.url).host]);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /in use|already/);
  });
});

describe("settings that are no good", () => {
  const data = ["--data", join(site.workspace.directory, "nowhere")];
  const cases: [string, string[], RegExp][] = [
    ["an unknown flag", ["serve", ...data, "--lissen", "127.0.0.1:1"], /lissen.*listen/s],
    ["an unknown command", ["serv"], /serve/],
    ["no data directory", ["serve"], /--data/],
    ["a directory that is not there", ["serve", ...data], /nowhere/],
    ["a port that is none", ["serve", ...data, "--listen", "127.0.0.1:99999"], /listen/],
    ["a size that is none", ["serve", ...data, "--cache-size", "much"], /cache-size.*much|much.*cache-size/s],
    ["a number out of range", ["serve", ...data, "--http-threads", "0"], /http-threads/],
    ["a word that is not one of the choice", ["serve", ...data, "--log-level", "loud"], /debug.*info.*warn.*error/s],
    ["a time that is none", ["serve", ...data, "--test-clock", "soon"], /test-clock/],
    ["an argument too many", ["stats", "now", ...data], /now/],
    ["a flag without its value", ["serve", "--data"], /data/],
    ["an unreachable server", ["stats", "--url", "http://127.0.0.1:1", "--key", "sk_x"], /127\.0\.0\.1:1/],
    ["a key that is wrong", ["stats", "--url", server.url, "--key", "sk_x"], /key/],
  ];
  for (const [name, args, words] of cases) {
    it(`${name}: a status that is not 0, and words on standard error`, async () => {
      const result = await run(args, { timeout_ms: 10_000 });
      assert.ok(result.code !== null && result.code > 0, `${result.code ?? result.signal}`);
      assert.match(result.stderr, words);
      assert.match(result.stderr, /^rapport: /);
      assert.equal(result.stdout, "");
    });
  }

  it("in a file: the line is named", async () => {
    const file = join(site.workspace.directory, "bad.conf");
    await writeFile(file, "# mine\nlog-level = info\nlisten-on = everywhere\n");
    const result = await run(["serve", ...data, "--config", file]);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /bad\.conf/);
    assert.match(result.stderr, /3/);
    assert.match(result.stderr, /listen-on/);
  });

  it("in the environment: the variable is named", async () => {
    const result = await run(["serve", ...data], { env: { RAPPORT_LOG_LEVEL: "loud" } });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /RAPPORT_LOG_LEVEL/);
  });

  it("init refuses a directory that holds a workspace already", async () => {
    const directory = join(site.workspace.directory, "twice");
    await must(["init", "--data", directory]);
    const result = await run(["init", "--data", directory]);
    assert.notEqual(result.code, 0);
    assert.equal(result.stdout, "");
  });
});

describe("settings", () => {
  it("a flag wins over the environment, that over the file, that over the default", async () => {
    const file = join(site.workspace.directory, "good.conf");
    await writeFile(file, "log-level = warn\nlisten = 127.0.0.1:7001\ncache-size = 32MiB\n");
    const env = { RAPPORT_LISTEN: "127.0.0.1:7002", RAPPORT_LOG_LEVEL: "error" };
    const text = await must(["settings", "--config", file, "--log-level", "debug"], { env });
    assert.match(text, /log-level.*debug/);
    assert.match(text, /listen.*127\.0\.0\.1:7002/);
    assert.match(text, /cache-size.*32/);
  });

  it("a secret is never shown", async () => {
    const result = await run(["settings"], { env: { RAPPORT_KEY: "sk_very_secret" } });
    assert.ok(!result.stdout.includes("very_secret"));
  });
});
