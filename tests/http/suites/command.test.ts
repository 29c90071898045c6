// The command line says the same of a directory and of a running server, to the byte.
import assert from "node:assert/strict";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { identify, times, track } from "../lib/message.ts";
import { must, run, type Finished } from "../lib/program.ts";
import { openSite, Server, type Site } from "../lib/server.ts";
import { removeWorkspace, temporary, type Workspace } from "../lib/workspace.ts";

const NOW = "2026-11-22T12:00:00.000Z";
const CLOCK = ["--test-clock", NOW];

let site: Site;
let server: Server;
let local: Workspace;

/** The same command on the copied directory and on the server over its twin. */
async function both(args: readonly string[], input = ""): Promise<{ here: Finished; there: Finished }> {
  const here = await run([...args, "--data", local.data, ...CLOCK], { input });
  const there = await run([...args, "--url", server.url], { input, env: { RAPPORT_KEY: local.secret_key } });
  return { here, there };
}

/** Rows that were written since the two went apart have numbers of their own. */
function numberless(text: string): string {
  return text.replace(/"id":"h\d+"/g, '"id":"h"');
}

async function alike(args: readonly string[], input = ""): Promise<string> {
  const { here, there } = await both(args, input);
  assert.equal(here.code, 0, here.stderr);
  assert.equal(there.code, 0, there.stderr);
  assert.equal(numberless(there.stdout), numberless(here.stdout), args.join(" "));
  return here.stdout;
}

before(async () => {
  site = await openSite({ args: CLOCK });
  const { client, sender } = site;
  await sender.takeAll([
    identify({ userId: "zoe", anonymousId: "tab" }, { email: "zoe@exemple.fr", firstName: "Zoé", lastName: "Martin" }),
    identify({ userId: "leo" }, { email: "leo@exemple.fr", phone: "+33612345678" }),
    ...times(30, (index) =>
      track(
        { userId: "zoe" },
        "Order Completed",
        { index },
        { timestamp: new Date(Date.parse(NOW) - index * 60_000).toISOString() },
      ),
    ),
    track({ userId: "zoe" }, "Shared", {}, { context: { traits: { email: "both@exemple.fr" } } }),
    track({ userId: "leo" }, "Shared", {}, { context: { traits: { email: "both@exemple.fr" } } }),
  ]);
  await sender.batch([{ type: "track", userId: "aside", messageId: "aside-1" }]);
  await client.putSource({ name: "web shop", kind: "browser" });
  client.close();
  sender.close();
  await site.server.stop();
  const directory = await temporary();
  local = { ...site.workspace, directory, data: join(directory, "data") };
  await cp(site.workspace.data, local.data, { recursive: true });
  server = await Server.start(site.workspace, { args: CLOCK });
});

after(async () => {
  await server.stop();
  await Promise.all([local, site.workspace].map(removeWorkspace));
});

describe("looking", () => {
  const looks: string[][] = [
    ["customer", "user_id:zoe"],
    ["customer", "email:ZOE@exemple.fr"],
    ["events", "user_id:zoe"],
    ["events", "user_id:zoe", "--name", "Order Completed", "--from", "2026-11-22T11:40:00Z", "--limit", "7"],
    ["search", "zoé"],
    ["identity", "user_id:zoe"],
    ["explain", "user_id:zoe", "user_id:leo"],
    ["explain", "user_id:zoe", "email:zoe@exemple.fr"],
    ["explain", "c1", "email:leo@exemple.fr"],
    ["schema"],
    ["rules", "show"],
    ["aside", "list"],
    ["source", "list"],
    ["key", "list"],
  ];
  for (const words of looks) {
    for (const form of [["--json"], ["--pretty"], []]) {
      it([...words, ...form].join(" "), async () => {
        const text = await alike([...words, ...form]);
        if (form[0] === "--json") JSON.parse(text);
      });
    }
  }

  it("export of a person", async () => {
    await alike(["export", "user_id:zoe"]);
  });

  it("stats, but for the bytes on the disk", async () => {
    const { here, there } = await both(["stats", "--json"]);
    const strip = ({ stdout }: Finished): object => ({ ...(JSON.parse(stdout) as object), bytes: undefined });
    assert.deepEqual(strip(there), strip(here));
  });

  it("--json is the API's own document", async () => {
    const client = server.client();
    const { text } = await client.get("/v1/customers/user_id%3Azoe");
    client.close();
    assert.equal((await alike(["customer", "user_id:zoe", "--json"])).trimEnd(), text);
  });
});

describe("refusals", () => {
  const refused: string[][] = [
    ["customer", "user_id:nobody"],
    ["customer", "mail:zoe@exemple.fr"],
    ["customer", "zoe"],
    ["explain", "user_id:zoe", "mail:x"],
    ["rules", "show", "--rules-version", "99"],
    ["aside", "show", "999"],
    ["split", "user_id:zoe", "--identifier", "user_id:leo", "--author", "ana"],
    ["key", "revoke", "9999"],
  ];
  for (const words of refused) {
    it(`${words.join(" ")}: the same words`, async () => {
      const { here, there } = await both(words);
      assert.notEqual(here.code, 0);
      assert.equal(there.code, here.code);
      const words_of = ({ stderr }: Finished): string => stderr.replace(/^rapport: (\w+: )?/, "");
      assert.equal(words_of(there), words_of(here));
    });
  }
});

describe("changing", () => {
  it("correct", async () => {
    await alike(["correct", "user_id:zoe", "--set", "firstName=Zoë", "--set", "vip=true", "--author", "ana", "--json"]);
  });

  it("source put", async () => {
    await alike(["source", "put", "till Lyon", "--kind", "till", "--priority", "3", "--json"]);
  });

  it("key create and revoke", async () => {
    const { here, there } = await both(["key", "create", "--name", "crm", "--scopes", "read,write", "--json"]);
    assert.equal(there.code, 0, there.stderr);
    const strip = ({ stdout }: Finished): object => ({ ...(JSON.parse(stdout) as object), key: undefined });
    assert.deepEqual(strip(there), strip(here));
    const { id } = JSON.parse(here.stdout) as { id: number };
    await alike(["key", "revoke", String(id), "--json"]);
  });

  it("split and allow", async () => {
    await alike([
      "split",
      "user_id:zoe",
      "--apart",
      "user_id:zoe",
      "email:zoe@exemple.fr",
      "--author",
      "ana",
      "--json",
    ]);
    await alike(["identity", "user_id:zoe", "--json"]);
    await alike(["allow", "user_id:zoe", "email:zoe@exemple.fr", "--json"]);
  });

  it("rules try and put", async () => {
    const file = join(local.directory, "rules.json");
    const rules = JSON.parse(await must(["rules", "show", "--data", local.data, "--json"])) as {
      rules: { types: { email: { limit: number } } };
    };
    rules.rules.types.email.limit = 4;
    await writeFile(file, JSON.stringify(rules));
    await alike(["rules", "try", file, "--json"]);
    await alike(["rules", "put", file, "--author", "ana", "--json"]);
    await alike(["rules", "show", "--json"]);
  });

  it("aside resend, corrected, and drop", async () => {
    const { items } = JSON.parse(await alike(["aside", "list", "--json"])) as { items: { id: string }[] };
    const id = items[0]?.id ?? "";
    const corrected = JSON.stringify({ type: "track", userId: "aside", messageId: "aside-1", event: "Corrected" });
    await alike(["aside", "resend", id, "-", "--json"], corrected);
    await alike(["events", "user_id:aside", "--json"]);
  });

  it("erase", async () => {
    const receipts = await both(["erase", "user_id:leo", "--yes", "--json"]);
    // The number of a receipt is any that was not given yet.
    const strip = ({ stdout }: Finished): object => ({ ...(JSON.parse(stdout) as object), receipt: undefined });
    assert.deepEqual(strip(receipts.there), strip(receipts.here));
    const { here, there } = await both(["customer", "user_id:leo"]);
    assert.ok(here.code !== 0 && there.code !== 0);
  });

  it("and both hold", async () => {
    await must(["check", "--data", local.data]);
    await server.stop();
    await must(["check", "--data", site.workspace.data]);
    server = await Server.start(site.workspace, { args: CLOCK });
  });
});

describe("help", () => {
  it("lists every command, and explains each", async () => {
    const overview = await must(["--help"]);
    for (const word of ["init", "serve", "import", "customer", "split", "erase", "check", "backup"]) {
      assert.match(overview, new RegExp(`\\b${word}\\b`));
      assert.match(await must([word, "--help"]), new RegExp(word));
    }
    assert.match(await must(["version"]), /\d+\.\d+/);
    for (const shell of ["bash", "zsh", "fish"]) assert.match(await must(["completion", shell]), /rapport/);
  });
});
