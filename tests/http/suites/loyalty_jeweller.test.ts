// The jeweller: the store's programme and the web shop's become one, at once by a file, and step by step while both go
// on; docs/jeweller.md tells the story.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { times } from "../lib/message.ts";
import { LONG, must, run } from "../lib/program.ts";
import { openSite, type Site } from "../lib/server.ts";
import { temporary } from "../lib/workspace.ts";

const EACH = LONG ? 5000 : 500;
const SAME = LONG ? 1200 : 120;
const NOW = "2026-11-22T09:00:00Z";

interface Report {
  dry_run: boolean;
  members: number;
  imported: number;
  corrected: number;
  unchanged: number;
  refused: number;
  already_customers: number;
  same_people: number;
  points: { programme: string; currency: string; amount: number }[];
  vouchers_kept: number;
  vouchers_used: number;
  vouchers_cancelled: number;
  items: { line: number; status: string; code?: string; field?: string; same_as?: number }[];
}
interface Member {
  customer: string;
  programmes: { balances: { active: number; debt: number; expired: number; spent: number }[] }[];
  vouchers: { code: string; voucher: string; state: string; uses?: number; reason?: string }[];
}
interface Mirrored {
  items: { status: string; code?: string; posting?: string }[];
}
interface Told {
  name: string;
  properties: Record<string, unknown>;
}

const MAISON = {
  id: "maison",
  timezone: "Europe/Paris",
  money: "EUR",
  currencies: [{ id: "points", worth: "0.01" }],
  rules: [{ id: "purchase", on: "Order Completed", earn: "floor(paid)" }],
};
const WELCOME = {
  id: "WELCOME",
  programme: "maison",
  discount: { amount: "20.00" },
  uses: { per_code: 1 },
  entitlement: { period: "once" },
};
const BIRTHDAY = {
  id: "BIRTHDAY",
  programme: "maison",
  discount: { percent: 10 },
  uses: { per_code: 1 },
  entitlement: { period: "year" },
};

const pad = (number: number): string => String(number).padStart(5, "0");
const storePoints = (i: number): number => 10 + (i % 90);
const webPoints = (i: number): number => 5 + (i % 70);
const storeUsed = (i: number): boolean => i % 3 === 0;
const webUsed = (i: number): boolean => i % 5 === 0;

/** The store knows a card and a phone; of every second one of those who are the same people also the address. */
function store(i: number, points = storePoints(i)): object {
  const identifiers = { loyalty_card: `S${pad(i)}`, phone: `+336120${pad(i)}` };
  const email = i < SAME && i % 2 === 0 ? { email: `p${i}@exemple.fr` } : {};
  return {
    member: {
      programme: "store",
      external_id: `S${pad(i)}`,
      identifiers: { ...identifiers, ...email },
      joined_at: "2021-05-01",
      lots: [
        { amount: points - 1, earned_at: "2026-01-10", expires_on: "2027-01-10" },
        { amount: 1, earned_at: "2026-02-10", expires_on: "2027-02-10" },
      ],
      vouchers: [
        { code: `WS${pad(i)}`, voucher: "WELCOME", valid_to: "2027-06-30", used: storeUsed(i) },
        ...(i % 2 === 0 ? [{ code: `BS${pad(i)}`, voucher: "BIRTHDAY", valid_to: "2026-12-31" }] : []),
      ],
    },
  };
}

/** The shop knows an account and an address; of the others who are the same people the phone. */
function web(i: number): object {
  const phone = i < SAME && i % 2 === 1 ? { phone: `+336120${pad(i)}` } : {};
  return {
    member: {
      programme: "web",
      external_id: `w${i}`,
      identifiers: { user_id: `w${i}`, email: i < SAME ? `p${i}@exemple.fr` : `web${i}@exemple.fr`, ...phone },
      lots: [{ amount: webPoints(i), earned_at: "2026-03-01", expires_on: "2027-03-01" }],
      vouchers: [
        { code: `WW${pad(i)}`, voucher: "WELCOME", used: webUsed(i) },
        { code: `BW${pad(i)}`, voucher: "BIRTHDAY" },
      ],
    },
  };
}

const lines = (items: object[]): string => items.map((item) => JSON.stringify(item)).join("\n") + "\n";
const sum = (of: (i: number) => number, count: number): number => times(count, of).reduce((a, b) => a + b, 0);

let site: Site;
let folder: string;

async function open(): Promise<Site> {
  const opened = await openSite({ args: ["--test-clock", NOW] });
  for (const [kind, document] of [
    ["programmes", MAISON],
    ["vouchers", WELCOME],
    ["vouchers", BIRTHDAY],
  ] as const)
    (await opened.client.ask("PUT", `/v1/loyalty/${kind}`, { body: document })).expect();
  return opened;
}

async function member(of: Site, reference: string): Promise<Member> {
  return (await of.client.get(`/v1/customers/${encodeURIComponent(reference)}/loyalty`)).expect<Member>();
}
async function active(of: Site, reference: string): Promise<number> {
  const balance = (await member(of, reference)).programmes[0]?.balances[0];
  return balance === undefined ? 0 : balance.active + balance.debt;
}
const post = (of: Site, path: string, body: object) => of.client.ask("POST", path, { body });

async function verify(of: Site): Promise<void> {
  await must(["loyalty", "verify", "--url", of.server.url], { env: { RAPPORT_KEY: of.workspace.secret_key } });
}

describe("two programmes become one", () => {
  const everybody = (): object[] => [...times(EACH, (i) => store(i)), ...times(EACH, web)];
  const importFile = async (items: object[], ...more: string[]): Promise<Report> => {
    const file = join(folder, "members.ndjson"),
      report = join(folder, "report.json");
    await writeFile(file, lines(items));
    const args = ["loyalty", "import", file, "--report", report, "--json", ...more, "--url", site.server.url];
    return JSON.parse(await must(args, { env: { RAPPORT_KEY: site.workspace.secret_key } })) as Report;
  };

  before(async () => {
    folder = await temporary();
    site = await open();
  });
  after(async () => {
    await site.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("is tried first, and nothing is changed", async () => {
    const report = await importFile(everybody(), "--dry-run");
    assert.deepEqual(
      [report.dry_run, report.members, report.imported, report.refused, report.same_people, report.already_customers],
      [true, 2 * EACH, 2 * EACH, 0, SAME, 0],
    );
    assert.equal(report.points[0]?.amount, sum(storePoints, EACH) + sum(webPoints, EACH));
    // Of two welcomes one stays, and none beside one that was used; of two birthdays of one year, one.
    const doubles = (i: number): number => {
      const unused = Number(!storeUsed(i)) + Number(!webUsed(i)),
        used = 2 - unused;
      const welcomes = used > 0 ? unused : 1;
      return welcomes + (i % 2 === 0 ? 1 : 0);
    };
    assert.equal(report.vouchers_cancelled, sum(doubles, SAME));
    (await site.client.get("/v1/customers/loyalty_card:S00000")).refused(404, "no_customer");
  });

  it("comes true as it was foretold", async () => {
    const foretold = await importFile(everybody(), "--dry-run");
    const report = await importFile(everybody());
    assert.deepEqual([report.imported, report.refused], [2 * EACH, 0]);
    for (const name of ["vouchers_kept", "vouchers_used", "vouchers_cancelled"] as const)
      if (EACH <= 500) assert.equal(report[name], foretold[name], name);
    assert.deepEqual(report.points, foretold.points);
    await verify(site);
  });

  it("gives each one balance, and no coupon twice", async () => {
    for (let i = 0; i < SAME; i++) {
      const one = await member(site, `loyalty_card:S${pad(i)}`);
      assert.equal(one.customer, (await member(site, `user_id:w${i}`)).customer, `member ${i}`);
      assert.equal(one.programmes[0]?.balances[0]?.active, storePoints(i) + webPoints(i));
      const open = (voucher: string) =>
        one.vouchers.filter((code) => code.voucher === voucher && code.state === "active" && !code.uses);
      assert.equal(open("WELCOME").length, storeUsed(i) || webUsed(i) ? 0 : 1, `welcome of ${i}`);
      assert.equal(open("BIRTHDAY").length, 1, `birthday of ${i}`);
    }
    assert.equal(await active(site, `loyalty_card:S${pad(SAME)}`), storePoints(SAME));
    assert.equal(await active(site, `user_id:w${SAME}`), webPoints(SAME));
  });

  it("spends on the web what was earned in the store a second before", async () => {
    const basket = { order_id: "T-1", products: [{ sku: "RING", price: 300 }] };
    (await post(site, "/v1/loyalty/orders", { customer: "loyalty_card:S00001", cart: basket })).expect();
    const had = await active(site, "user_id:w1");
    assert.equal(had, storePoints(1) + webPoints(1) + 300);
    (await post(site, "/v1/loyalty/points/burn", { customer: "user_id:w1", amount: had })).expect();
    const again = await post(site, "/v1/loyalty/points/burn", { customer: "loyalty_card:S00001", amount: 1 });
    again.refused(422, "INSUFFICIENT_POINTS");
  });

  it("changes nothing when it is sent again, and corrects what differs", async () => {
    const same = await importFile(times(50, (i) => store(i + 100)));
    assert.deepEqual([same.unchanged, same.corrected, same.imported], [50, 0, 0]);
    const before = await active(site, `loyalty_card:S${pad(100)}`);
    const changed = await importFile([store(100, storePoints(100) + 7), store(101)]);
    assert.deepEqual([changed.unchanged, changed.corrected, changed.points[0]?.amount], [1, 1, 7]);
    assert.equal(await active(site, `loyalty_card:S${pad(100)}`), before + 7);
    const less = await importFile([store(100, storePoints(100) - 3)]);
    assert.deepEqual([less.corrected, less.points[0]?.amount], [1, -10]);
    assert.equal(await active(site, `loyalty_card:S${pad(100)}`), before - 3);
    await verify(site);
  });

  it("says of each line that it refuses why, and takes the others", async () => {
    const broken = [
      {
        member: {
          programme: "store",
          external_id: "x1",
          identifiers: { email: "x1@exemple.fr" },
          lots: [{ amount: -5 }],
        },
      },
      { member: { programme: "store", external_id: "x2", lots: [] } },
      {
        member: {
          programme: "store",
          external_id: "x3",
          identifiers: { email: "x3@exemple.fr" },
          vouchers: [{ code: "WS00000", voucher: "WELCOME" }],
        },
      },
      {
        member: {
          programme: "store",
          external_id: "x4",
          identifiers: { email: "x4@exemple.fr" },
          lots: [{ amount: 4 }],
        },
      },
    ];
    const report = await importFile(broken);
    assert.deepEqual(
      report.items.map((item) => [item.status, item.code, item.field]),
      [
        ["refused", "bad_amount", "amount"],
        ["refused", "missing_member", "identifiers"],
        ["refused", "code_taken", "vouchers"],
        ["imported", undefined, undefined],
      ],
    );
    (await site.client.get("/v1/customers/email:x3@exemple.fr")).refused(404, "no_customer");
  });
});

describe("both programmes go on, and Rapport stands between them", () => {
  let shared: Site;
  let number = 0;
  const move = async (customer: string, type: string, more: object): Promise<Mirrored["items"][0]> => {
    const item = { programme: "web", external_id: `m${++number}`, customer, type, ...more };
    const { items } = (await post(shared, "/v1/loyalty/mirror", { items: [item] })).expect<Mirrored>();
    assert.ok(items[0]);
    return items[0];
  };
  const differences = async (customer: string, amount: number): Promise<object[]> => {
    const body = { programme: "web", balances: [{ customer, amount }] };
    return (await post(shared, "/v1/loyalty/reconcile", body)).expect<{ differences: object[] }>().differences;
  };

  before(async () => {
    shared = await open();
  });
  after(() => shared.close());

  it("mirrors points once, and burns them here at once, telling whose they were", async () => {
    const item = { programme: "web", external_id: "a1", customer: "email:zoe@exemple.fr", type: "earn", amount: 100 };
    const both = { items: [item, { ...item, programme: "store", amount: 40 }] };
    const first = (await post(shared, "/v1/loyalty/mirror", both)).expect<Mirrored>();
    assert.deepEqual(
      first.items.map((one) => one.status),
      ["mirrored", "mirrored"],
    );
    const again = (await post(shared, "/v1/loyalty/mirror", both)).expect<Mirrored>();
    assert.deepEqual(
      again.items.map((one) => one.status),
      ["replayed", "replayed"],
    );
    assert.equal(await active(shared, "email:zoe@exemple.fr"), 140);
    const burn = { customer: "email:zoe@exemple.fr", amount: 120 };
    const { id } = (await post(shared, "/v1/loyalty/points/burn", burn)).expect<{ id: string }>();
    const events = (await shared.client.export(burn.customer))["events"] as unknown as Told[];
    const told = events.find(({ name }) => name === "Points Spent")?.properties;
    assert.equal(told?.["posting"], id);
    const lots = told?.["lots"] as { programme: string; amount: number }[];
    assert.deepEqual(
      lots.map((lot) => [lot.programme, lot.amount]),
      [
        ["web", 100],
        ["store", 20],
      ],
    );
    // The web programme carries it out and says so: it was ours.
    assert.equal((await move(burn.customer, "burn", { amount: 100, caused_by: id })).status, "own");
    assert.equal(await active(shared, burn.customer), 20);
    assert.deepEqual(await differences(burn.customer, 0), []);
  });

  it("knows whose points were that an order gives back", async () => {
    const eva = "email:eva@exemple.fr";
    await move(eva, "earn", { amount: 300 });
    const cart = { order_id: "P-1", products: [{ sku: "CASE", price: 3 }] };
    const pay = [{ points: { amount: 300 } }];
    (await post(shared, "/v1/loyalty/orders", { customer: eva, cart, pay })).expect();
    assert.deepEqual(await differences(eva, 0), []);
    (await post(shared, "/v1/loyalty/orders/P-1/cancel", {})).expect();
    assert.deepEqual(await differences(eva, 300), []);
    await verify(shared);
  });

  it("comes to the same in whatever order it is told", async () => {
    const told: [string, object][] = [
      ["earn", { amount: 100, effective_at: "2026-01-01", expires_on: "2026-06-30" }],
      ["burn", { amount: 60, effective_at: "2026-03-01" }],
      ["expire", { amount: 40, effective_at: "2026-07-01" }],
    ];
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const [index, order] of orders.entries()) {
      const customer = `email:order${index}@exemple.fr`;
      for (const at of order) {
        const [type, more] = told[at] as [string, object];
        assert.equal((await move(customer, type, more)).status, "mirrored");
      }
      assert.equal(await active(shared, customer), 0, order.join(" "));
      assert.deepEqual(await differences(customer, 0), [], order.join(" "));
    }
    await verify(shared);
  });

  it("mirrors vouchers: of two welcomes one, and none beside a used one", async () => {
    const leo = "email:leo@exemple.fr";
    await move(leo, "voucher_issued", { code: "LEOWEB", voucher: "WELCOME" });
    await move(leo, "voucher_issued", { code: "LEOSTORE", voucher: "WELCOME" });
    const state = async (): Promise<string[][]> =>
      (await member(shared, leo)).vouchers.map((code) => [code.code, code.state]);
    assert.equal((await state()).filter(([, of]) => of === "active").length, 1);
    assert.equal((await move(leo, "voucher_used", { code: "LEOLATE", voucher: "BIRTHDAY" })).status, "mirrored");
    assert.equal((await move(leo, "voucher_issued", { code: "LEOLATE", voucher: "BIRTHDAY" })).status, "mirrored");
    const twice = await move(leo, "voucher_used", { code: "LEOLATE", voucher: "BIRTHDAY" });
    assert.deepEqual([twice.status, twice.code], ["refused", "quantity_exceeded"]);
    await verify(shared);
  });

  it("lists every difference of a day", async () => {
    const ana = "email:ana@exemple.fr";
    await move(ana, "earn", { amount: 50 });
    assert.deepEqual(await differences(ana, 50), []);
    assert.deepEqual(await differences(ana, 65), [
      { customer: ana, currency: "points", theirs: 65, ours: 50, difference: 15 },
    ]);
    const file = join(await temporary(), "balances.json");
    const balances = [
      { customer: ana, amount: 50 },
      { customer: "email:nobody@exemple.fr", amount: 3 },
    ];
    await writeFile(file, JSON.stringify({ programme: "web", balances }));
    const args = ["loyalty", "reconcile", file, "--json", "--url", shared.server.url];
    const { stdout } = await run(args, { env: { RAPPORT_KEY: shared.workspace.secret_key } });
    const told = JSON.parse(stdout) as { compared: number; differences: { customer: string; code?: string }[] };
    assert.equal(told.compared, 2);
    assert.deepEqual(
      told.differences.map((one) => [one.customer, one.code]),
      [["email:nobody@exemple.fr", "no_customer"]],
    );
  });
});
