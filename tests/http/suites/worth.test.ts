// What customers are worth and want, over HTTP: orders by day, models of appetence that are kept, reports by their
// control group; and the command line says the same of a server as of the file that the server gives.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { track } from "../lib/message.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

interface Model {
  version: number;
  range: string;
  horizon_days: number;
  model: { features: { name: string }[] };
}

const day = (ago: number): string => new Date(Date.now() - ago * 86_400_000).toISOString();
const messages: object[] = [];
for (let n = 0; n < 40; n++) {
  for (let month = 1; month < 6; month++) {
    const looks = (n + month) % 3 === 0;
    const ago = 30 * month + 20 - (n % 10);
    const range = looks ? "Phones" : "Cases";
    messages.push(track({ userId: `u${n}` }, "Product Viewed", { category: range }, { timestamp: day(ago) }));
    if (looks || n % 5 === 0)
      messages.push(
        track(
          { userId: `u${n}` },
          "Order Completed",
          { total: 10.5 + n, products: [{ category: range, price: 10.5 + n }] },
          { timestamp: day(ago - 5) },
        ),
      );
  }
}
await sender.takeAll(messages);

describe("orders by day", () => {
  it("are what the command line makes customers' value of, from the server as from the file", async () => {
    const csv = (await client.ask("GET", "/v1/scores/orders")).text;
    assert.match(csv, /^customer_id,day,amount\nc\d+,20\d\d-\d\d-\d\d,\d+\.5\n/);
    const asked = ["score", "clv", "--horizon", "26weeks", "--format", "csv"];
    const env = { RAPPORT_URL: site.server.url, RAPPORT_KEY: site.workspace.secret_key };
    const served = await run(asked, { env });
    const read = await run([...asked, "--orders", "-", "--columns", "1,2,3"], { input: csv });
    assert.equal(served.code, 0, served.stderr);
    assert.equal(read.code, 0, read.stderr);
    assert.equal(served.stdout, read.stdout);
  });
});

describe("models of appetence", () => {
  it("are learned, kept and listed, and refused with what there is", async () => {
    const body = { range: "Phones", horizon: "20days", author: "ana" };
    const model = (await client.ask("POST", "/v1/scores/appetence", { body })).expect<Model>(201);
    assert.equal(model.version, 1);
    assert.equal(model.horizon_days, 20);
    assert.equal(model.model.features[0]?.name, "range_views");
    const list = (await client.ask("GET", "/v1/scores/appetence")).expect<{ items: Model[] }>();
    assert.deepEqual(
      list.items.map((one) => [one.version, one.range]),
      [[1, "Phones"]],
    );
    const unknown = await client.ask("POST", "/v1/scores/appetence", { body: { range: "Phone" } });
    unknown.refused(404, "no_range");
    assert.match(unknown.text, /there are: Cases, Phones/);
    (await client.ask("POST", "/v1/scores/appetence", { body: { horizon: "soon", range: "Phones" } })).refused(
      400,
      "out_of_range",
    );
    (await client.ask("POST", "/v1/scores/appetence", { body: {} })).refused(400, "bad_range");
  });
});

describe("reports of worth", () => {
  it("tell of value, appetence and cross-sell", async () => {
    for (const [kind, body] of [
      ["clv", {}],
      ["appetence", { range: "Phones", horizon: "20days" }],
      ["cross_sell", { from: "Cases", to: "Phones", score: 1, horizon: "20days" }],
    ] as const) {
      const report = (await client.ask("POST", `/v1/reports/${kind}`, { body })).expect<{ report: string }>();
      assert.equal(report.report, kind);
    }
  });

  it("compare by the control group of a segment", async () => {
    const segment = { id: "mail", include: 'exists("Order Completed")', control: 0.5 };
    (await client.ask("PUT", "/v1/segments", { body: segment })).expect();
    (await client.ask("POST", "/v1/reports/incrementality", { body: { segment: "male" } })).refused(404, "no_segment");
    (await client.ask("POST", "/v1/reports/incrementality", { body: {} })).refused(400, "missing_member");
  });
});
