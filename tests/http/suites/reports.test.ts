// Reports over HTTP and by the command line: the same bytes from both, in every form; the settings that say what an
// order is; options that are refused.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { track } from "../lib/message.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";

const site = await openSite();
const { client, sender } = site;
after(() => site.close());

interface Sales {
  report: string;
  period: string;
  tables: { [id: string]: { [column: string]: unknown }[] };
}
interface Settings {
  order: string;
  amount: string;
  version: number;
  warnings?: { code: string; field: string }[];
}
interface Refusal {
  line: number;
  column: number;
}

const order = (user: string, timestamp: string, total: number, store: string): object =>
  track({ userId: user }, "Order Completed", { total, store }, { timestamp, context: { channel: "store" } });

await sender.takeAll([
  order("zoe", "2026-01-10T10:00:00Z", 80, "Lyon"),
  order("zoe", "2026-02-10T10:00:00Z", 20.5, "=HYPERLINK(1)"),
  order("leo", "2026-02-20T23:30:00Z", 15, "Lyon"),
]);

const february = { from: "2026-02-01", to: "2026-02-28" };
const make = (body: object, query = "") => client.ask("POST", `/v1/reports/sales${query}`, { body });

describe("reports", () => {
  it("lists the kinds with their options", async () => {
    const list = (await client.ask("GET", "/v1/reports")).expect<{ reports: { id: string; options: object[] }[] }>();
    const sales = list.reports.find((one) => one.id === "sales");
    assert.ok(sales && sales.options.length > 0);
  });

  it("gives a report as a document, as CSV with no formula in it, as a workbook and as text", async () => {
    const sales = (await make(february)).expect<Sales>();
    assert.equal(sales.report, "sales");
    assert.equal(sales.period, "2026-02-01 to 2026-02-28");
    assert.deepEqual(sales.tables["money"]?.[0], {
      figure: "Revenue",
      amount: "35.50",
      before: "80.00",
      change: -0.55625,
    });
    const csv = await make(february, "?format=csv&table=stores");
    assert.match(csv.headers["content-type"] ?? "", /^text\/csv/);
    assert.match(csv.text, /^store,revenue,[^]*\n'=HYPERLINK\(1\),20\.50,/);
    assert.match((await make(february, "?format=text")).text, /^Sales\n {2}Period +2026-02-01 to 2026-02-28\n/);
    const workbook = await make(february, "?format=xlsx");
    assert.equal(workbook.status, 200);
    assert.equal(workbook.body.subarray(0, 2).toString(), "PK");
    (await client.ask("POST", "/v1/reports/sales")).expect<Sales>();
  });

  it("refuses what it does not know, with what was meant", async () => {
    (await client.ask("POST", "/v1/reports/sale", { body: {} })).refused(404, "no_such_report");
    (await make({ form: "2026-01-01" })).refused(400, "unknown_member");
    (await make({ from: "soon" })).refused(400, "bad_time");
    (await make({ by: "weak" })).refused(400, "unknown_word");
    (await make({ from: "2026-02-02", to: "2026-02-01" })).refused(400, "out_of_range");
    (await make({}, "?format=pdf")).refused(400, "bad_parameter");
    (await make({}, "?format=csv&table=shops")).refused(404, "no_such_table");
  });
});

describe("the settings of reports", () => {
  it("say what an order is, and what they tell can be put back", async () => {
    const before = (await client.ask("GET", "/v1/reports/settings")).expect<Settings>();
    assert.equal(before.version, 0);
    const body = { amount: "total * 2", store: "shop" };
    const changed = (await client.ask("PUT", "/v1/reports/settings", { body })).expect<Settings>();
    assert.equal(changed.version, 1);
    assert.deepEqual(
      changed.warnings?.map((one) => [one.code, one.field]),
      [["unknown_property", "store"]],
    );
    const doubled = (await make(february)).expect<Sales>();
    assert.equal(doubled.tables["money"]?.[0]?.["amount"], "71.00");
    (await client.ask("PUT", "/v1/reports/settings", { body: before })).expect();
    const after = (await client.ask("GET", "/v1/reports/settings")).expect<Settings>();
    assert.equal(after.amount, before.amount);
  });

  it("are refused with the member and the place", async () => {
    const put = (body: object) => client.ask("PUT", "/v1/reports/settings", { body });
    (await put({ ordre: "Ticket" })).refused(400, "unknown_member");
    (await put({ amount: "traits.spent" })).refused(400, "wrong_path");
    const refusal = (await put({ amount: "total +" })).refused(422, "unfinished") as unknown as Refusal;
    assert.equal(refusal.line, 1);
  });
});

describe("rapport report", () => {
  const env = { RAPPORT_URL: site.server.url, RAPPORT_KEY: site.workspace.secret_key };
  const asked = ["report", "sales", "--from", "2026-02-01", "--to", "2026-02-28"];

  it("prints what the server sends, in each form", async () => {
    for (const format of ["json", "csv", "text"]) {
      const sent = (await make(february, `?format=${format}`)).text;
      const printed = await run([...asked, "--format", format], { env });
      assert.equal(printed.stdout, sent);
    }
  });

  it("lists the kinds, and changes the settings", async () => {
    assert.match((await run(["report"], { env })).stdout, /^sales {2}Revenue[^]*\n {4}by /);
    const refused = await run(["report", "sales", "--set", "by=weak"], { env });
    assert.match(refused.stderr, /did you mean "week"/);
    const shown = await run(["report", "settings", "--json"], { env });
    assert.equal((JSON.parse(shown.stdout) as Settings).version, 2);
  });
});
