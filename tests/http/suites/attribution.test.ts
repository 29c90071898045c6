// Attribution over HTTP and by the command line: the report and the settings that journeys go by, the same bytes from
// both, and research online beside it.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Traits } from "../lib/documents.ts";
import { page, track } from "../lib/message.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

interface Credit {
  tables: { [id: string]: { [column: string]: unknown }[] };
}
interface Settings {
  version: number;
  author: string;
  lookback: string;
  channels: object[];
  warnings?: { code: string }[];
}

const day = (number: number): string => `2026-03-${String(number).padStart(2, "0")}T10:00:00Z`;
const visit = (user: string, at: string, context: Traits): object => page({ userId: user }, { timestamp: at, context });
const search = { page: { url: "https://shop.example/?gclid=1", referrer: "https://www.google.fr/" } };

await sender.takeAll([
  visit("zoe", day(1), search),
  track({ userId: "zoe" }, "Email Clicked", {}, { timestamp: day(2) }),
  track(
    { userId: "zoe" },
    "Order Completed",
    { total: 80, store: "Lyon" },
    { timestamp: day(3), context: { channel: "store" } },
  ),
  track({ userId: "leo" }, "Email Clicked", {}, { timestamp: day(4) }),
]);

const march = { from: "2026-03-01", to: "2026-03-31" };
const make = (body: object, query = "", kind = "attribution") =>
  client.ask("POST", `/v1/reports/${kind}${query}`, { body });

describe("attribution", () => {
  it("shares conversions out by several models", async () => {
    const credit = (await make({ ...march, models: "first,last,linear", paths: 0 })).expect<Credit>();
    assert.deepEqual(credit.tables["models"]?.[1], {
      channel_name: "email",
      first_touch_conversions: 0,
      first_touch_value: 0,
      last_touch_conversions: 1,
      last_touch_value: 80,
      linear_touch_conversions: 0.5,
      linear_touch_value: 40,
    });
    assert.equal(credit.tables["paths"]?.length, 2);
  });

  it("gives the journeys as a file of paths", async () => {
    const csv = await make({ ...march, paths: 0 }, "?format=csv&table=paths");
    assert.equal(
      csv.text,
      "path,total_conversions,total_conversion_value,total_null\npaid search > email,1,80,0\nemail,0,0,1\n",
    );
  });

  it("takes costs and settings with the request", async () => {
    const costs = [{ channel: "email", from: "2026-03-01", to: "2026-03-02", amount: "20.00" }];
    const credit = (await make({ ...march, models: "last", costs })).expect<Credit>();
    assert.equal(credit.tables["costs"]?.[0]?.["roas"], 4);
    const settings = { touchpoints: [{ event: "Email Clicked" }] };
    const mails = await make({ ...march, settings, paths: 0 }, "?format=csv&table=paths");
    assert.match(mails.text, /\nemail,1,80,1\n$/);
  });

  it("refuses what it does not know, with what was meant", async () => {
    (await make({ models: "lst" })).refused(400, "unknown_word");
    (await make({ by: "shop" })).refused(400, "unknown_word");
    (await make({ settings: { lookback: "soon" } })).refused(400, "bad_duration");
    (await make({ settings: { exclude: "total > 1" } })).refused(422, "wrong_path");
    (await make({ within: 3 }, "", "ropo")).refused(400, "unknown_member");
  });

  it("tells research online before a purchase in a store", async () => {
    const ropo = (await make(march, "", "ropo")).expect<Credit>();
    assert.equal(ropo.tables["ropo"]?.[0]?.["ropo_revenue"], "80.00");
    assert.equal(ropo.tables["channels"]?.[0]?.["channel"], "email");
  });
});

describe("the settings of attribution", () => {
  it("are versions with their authors, and what they tell can be put back", async () => {
    const before = (await client.ask("GET", "/v1/attribution/settings")).expect<Settings>();
    assert.equal(before.version, 0);
    assert.equal(before.lookback, "30 days");
    const body = { lookback: "1 day", author: "ann" };
    const changed = (await client.ask("PUT", "/v1/attribution/settings", { body })).expect<Settings>();
    assert.equal(changed.version, 1);
    assert.equal(changed.author, "ann");
    const credit = (await make({ ...march, models: "last" })).expect<Credit>();
    assert.equal(credit.tables["path_length"]?.[0]?.["touches"], "0");
    (await client.ask("PUT", "/v1/attribution/settings", { body: before })).expect<Settings>();
    const first = (await client.ask("GET", "/v1/attribution/settings?version=1")).expect<Settings>();
    assert.equal(first.lookback, "1 day");
    (await client.ask("GET", "/v1/attribution/settings?version=9")).refused(404, "no_settings");
  });

  it("are refused with the member in words", async () => {
    const put = (body: object) => client.ask("PUT", "/v1/attribution/settings", { body });
    (await put({ paid: ["paid serch"] })).refused(400, "unknown_channel");
    (await put({ touchpoints: [{ event: "A", when: "total >" }] })).refused(422, "unfinished");
    (await put({ lookbak: "1 day" })).refused(400, "unknown_member");
  });
});

describe("rapport attribute", () => {
  const env = { RAPPORT_URL: site.server.url, RAPPORT_KEY: site.workspace.secret_key };
  const asked = [
    "attribute",
    "--from",
    "2026-03-01",
    "--to",
    "2026-03-31",
    "--model",
    "last,markov",
    "--model",
    "linear",
  ];

  it("prints what the server sends, in each form", async () => {
    for (const format of ["json", "csv", "text"]) {
      const sent = (await make({ ...march, models: "last,markov,linear" }, `?format=${format}`)).text;
      const printed = await run([...asked, "--format", format], { env });
      assert.equal(printed.stdout, sent);
    }
  });

  it("prints what each order gives its channels with --per-order", async () => {
    const sent = (await make({ ...march, models: "markov", orders: true }, "?format=csv&table=orders")).text;
    const lines = sent.trim().split("\n");
    assert.equal(lines[0], "time,customer_id,order_id,order_value,channel_name,conversions,value");
    assert.match(lines[1] ?? "", /^2026-03-03T10:00:00.000Z,c[0-9]+,,80,paid search,0.333[0-9]*,26.66[0-9]*$/);
    assert.match(lines[2] ?? "", /^2026-03-03T10:00:00.000Z,c[0-9]+,,80,email,0.666[0-9]*,53.33[0-9]*$/);
    assert.equal(lines.length, 3);
    const period = ["--from", "2026-03-01", "--to", "2026-03-31"];
    const per = ["attribute", ...period, "--per-order", "--model", "markov", "--format", "csv"];
    assert.equal((await run(per, { env })).stdout, sent);
    const refused = await run(["attribute", ...period, "--per-order", "--model", "last"], { env });
    assert.match(refused.stderr, /add markov to "models"/);
    (await make({ ...march, orders: 7 })).refused(400, "wrong_type");
  });

  it("emits the journeys, changes the settings, and says which flags are of files", async () => {
    const emitted = await run([...asked, "--emit-paths", "-"], { env });
    assert.match(emitted.stdout, /^path,total_conversions,[^]*\npaid search > email,1,80,0\n/);
    const shown = await run(["attribute", "settings", "--json"], { env });
    assert.equal((JSON.parse(shown.stdout) as Settings).version, 2);
    const refused = await run([...asked, "--transform", "exposure"], { env });
    assert.match(refused.stderr, /--transform is for a file of paths; [^]*"transforms"/);
  });
});
