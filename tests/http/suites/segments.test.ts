// Segments, static lists and computed attributes: defined, changed, archived; who is in them, who came and went, told
// once each; and what they would be before they are.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { identify, times, track } from "../lib/message.ts";
import { until } from "../lib/poll.ts";
import { run } from "../lib/program.ts";
import { openSite } from "../lib/server.ts";
import { Stream } from "../lib/stream.ts";

const NOW = "2026-06-01T12:00:00Z";
const site = await openSite({ args: ["--test-clock", NOW] });
const { client, sender } = site;
after(() => site.close());

interface Segment {
  id: string;
  version: number;
  status: string;
  members?: number;
  share?: number;
  author?: string;
  excluded?: { name: string; removed: number }[];
  warnings?: { code: string; line: number; column: number; message: string; suggestion?: string }[];
}
interface Change {
  cursor: string;
  segment: string;
  version: number;
  customer: string;
  change: string;
  at: string;
  backfill: boolean;
}
interface Changes {
  items: Change[];
  next: string;
}
interface Members {
  items: { id: string; since: string; variant?: string }[];
  next: string | null;
}
interface Preview {
  exact: boolean;
  customers: number;
  looked_at: number;
  members: number;
  share: number;
  interval: { low: number; high: number } | null;
  excluded: { name: string; removed: number }[];
  sample: { id: string; traits: { [name: string]: unknown } }[];
  traits: { name: string; values: { value: unknown; members: number }[]; other: number; missing: number }[];
  warnings: { code: string }[];
}

const SHOPS = 120;
const countries = ["FR", "BE", "CH"];
const order = (user: string, total: number, timestamp = "2026-05-20T10:00:00Z"): object =>
  track({ userId: user }, "Order Completed", { total }, { timestamp });
const user = (index: number): string => `u${index}`;

// u0 … u119: country by turns (every 10th has none), as many orders as the number ends with.
await sender.takeAll(
  times(SHOPS, (i) => identify({ userId: user(i) }, i % 10 === 9 ? {} : { country: countries[i % 3] ?? "" })),
);
await sender.takeAll(times(SHOPS, (i) => times(i % 5, (n) => order(user(i), 10 * (n + 1)))).flat());

const put = (definition: object) => client.ask("PUT", "/v1/segments", { body: definition });
const live = (id: string, version = 1): Promise<Segment> =>
  until(`${id} is live`, 10_000, async () => {
    const segment = (await client.get(`/v1/segments/${id}`)).expect<Segment>();
    return segment.status === "live" && segment.version >= version ? segment : undefined;
  });
async function define(definition: { id: string; [name: string]: unknown }): Promise<Segment> {
  const { version } = (await put(definition)).expect<Segment>();
  return live(definition.id, version);
}
async function members(id: string, limit = 1000): Promise<string[]> {
  const all: string[] = [];
  for (let next: string | undefined; ;) {
    const page = (await client.get(`/v1/segments/${id}/members`, { limit, after: next })).expect<Members>();
    all.push(...page.items.map((item) => item.id));
    if (page.next === null) return all;
    next = page.next;
  }
}
async function ids(users: readonly string[]): Promise<string[]> {
  return Promise.all(users.map(async (name) => (await client.customer(`user_id:${name}`)).id));
}
async function changes(path: string, after_cursor: string, limit = 1000): Promise<Changes> {
  return (await client.get(path, { after: after_cursor, limit })).expect<Changes>();
}
async function present(): Promise<string> {
  let cursor = "0";
  for (;;) {
    const page = await changes("/v1/changes", cursor);
    if (page.items.length === 0) return page.next;
    cursor = page.next;
  }
}
const sorted = (list: readonly string[]): string[] => list.toSorted();

describe("a definition", () => {
  it("is computed for everybody there is, and answers then", async () => {
    const first = (
      await put({
        id: "buyers",
        name: "Buyers",
        include: 'count("Order Completed") >= 2',
        exclude: [{ name: "belgians", when: 'traits.country = "BE"' }],
      })
    ).expect<Segment>();
    assert.deepEqual([first.version, first.warnings], [1, []]);
    const segment = await live("buyers");
    const bought = times(SHOPS, (i) => i).filter((i) => i % 5 >= 2);
    const belgian = bought.filter((i) => i % 10 !== 9 && i % 3 === 1);
    const rest = bought.filter((i) => !belgian.includes(i));
    assert.equal(segment.members, rest.length);
    assert.deepEqual(segment.excluded, [{ name: "belgians", removed: belgian.length }]);
    assert.ok(Math.abs((segment.share ?? 0) - rest.length / SHOPS) < 0.001);
    assert.deepEqual(sorted(await members("buyers")), sorted(await ids(rest.map(user))));
    assert.deepEqual(sorted(await members("buyers", 7)), sorted(await members("buyers")));
  });

  it("that is the same again changes nothing; another is another version", async () => {
    const same = { id: "loyal", include: 'count("Order Completed") >= 3' };
    assert.equal((await define(same)).version, 1);
    const before = await present();
    assert.equal((await put(same)).expect<Segment>().status, "live");
    assert.equal(await present(), before);
    const now = await define({ ...same, include: 'count("Order Completed") >= 4' });
    assert.ok(now.version > 1);
    assert.deepEqual(
      sorted(await members("loyal")),
      sorted(
        await ids(
          times(SHOPS, (i) => i)
            .filter((i) => i % 5 >= 4)
            .map(user),
        ),
      ),
    );
  });

  it("over a name never seen is taken with a warning that names the nearest", async () => {
    const { warnings } = (await put({ id: "typo", include: 'exists("Order Complete")' })).expect<Segment>();
    assert.equal(warnings?.length, 1);
    assert.equal(warnings?.[0]?.suggestion, "Order Completed");
    assert.deepEqual([warnings?.[0]?.line, warnings?.[0]?.column], [1, 8]);
  });

  it("with a mistake is refused with its place, and nothing is stored", async () => {
    const refused = async (definition: object, code: string, field: string, line: number, column: number) => {
      const problem = (await put({ id: "wrong", ...definition })).refused(422, code);
      const { field: in_field, line: at_line, column: at_column } = problem as unknown as Record<string, unknown>;
      assert.deepEqual([in_field, at_line, at_column], [field, line, column], problem.detail);
      (await client.get("/v1/segments/wrong")).refused(404, "no_segment");
      return problem as unknown as { suggestion?: string };
    };
    const word = await refused(
      { include: 'count("Order Completed") >= 2\n  annd true' },
      "unknown_word",
      "include",
      2,
      3,
    );
    assert.equal(word.suggestion, "and");
    const exclude = [
      { name: "a", when: "traits.vip" },
      { name: "b", when: 'couunt("Order Completed") > 1' },
    ];
    const name = await refused({ include: "true", exclude }, "unknown_function", "exclude[1].when", 1, 1);
    assert.equal(name.suggestion, "count");
    const other = await refused({ include: 'in_segment("buyer")' }, "unknown_segment", "include", 1, 12);
    assert.equal(other.suggestion, "buyers");
    (await put({ id: "wrong" })).refused(400, "missing_member");
    (await put({ id: "no way", include: "true" })).refused(400, "bad_id");
    (await put({ id: "overlap", include: "true" })).refused(400, "bad_id");
    (await put({ id: "wrong", inclde: "true" })).refused(400, "unknown_member", /include/);
    (await client.ask("PUT", "/v1/segments")).refused(400, "missing_body");
  });

  it("may refer to others, but not in a circle; one that others need is not archived", async () => {
    await define({ id: "spent", kind: "attribute", expression: 'sum(total of "Order Completed")' });
    await define({ id: "base", include: "attributes.spent > 50" });
    await define({ id: "upper", include: 'in_segment("base") and traits.country = "FR"' });
    (await put({ id: "base", include: 'in_segment("upper")' })).refused(422, "cycle", /base.*upper|upper.*base/);
    (await client.ask("DELETE", "/v1/segments/base")).refused(422, "in_use", /upper/);
    (await client.ask("DELETE", "/v1/segments/upper")).expect();
    (await client.ask("DELETE", "/v1/segments/base")).expect();
    (await client.get("/v1/segments/base")).refused(404, "no_segment");
    (await client.get("/v1/segments/buyer")).refused(404, "no_segment", /buyers/);
    const { items } = (await client.get("/v1/segments")).expect<{ items: Segment[] }>();
    assert.deepEqual(
      items.map(({ id }) => id).filter((id) => ["base", "buyers", "upper", "spent"].includes(id)),
      ["buyers", "spent"],
    );
  });
});

describe("a customer", () => {
  it("enters and leaves with events, and with the clock alone", async () => {
    await define({ id: "recent", include: 'exists("Order Completed" in last 7 days)' });
    await define({ id: "value", kind: "attribute", expression: 'sum(total of "Order Completed" in last 7 days)' });
    const from = await present();
    await sender.takeAll([identify({ userId: "mia" }), order("mia", 30.5, "2026-06-01T11:00:00Z")]);
    const [mia] = await ids(["mia"]);
    const of = async () =>
      (await client.get(`/v1/customers/user_id%3Amia/segments`)).expect<{
        customer: string;
        segments: { id: string; since: string }[];
        attributes: { [name: string]: unknown };
      }>();
    assert.equal((await of()).customer, mia);
    assert.deepEqual(
      (await of()).segments.map(({ id }) => id),
      ["recent"],
    );
    assert.equal((await of()).attributes["value"], 30.5);
    await client.holdClock("2026-06-08T10:59:59.999999Z");
    assert.equal((await of()).segments.length, 1);
    await client.holdClock("2026-06-08T11:00:00Z");
    assert.deepEqual([(await of()).segments.length, (await of()).attributes["value"]], [0, 0]);
    const told = await until("the feed tells it", 10_000, async () => {
      const { items } = await changes("/v1/segments/recent/changes", from);
      return items.length >= 2 ? items : undefined;
    });
    assert.deepEqual(
      told.map(({ customer, change, at, backfill }) => [customer, change, at, backfill]),
      [
        [mia, "entered", told[0]?.at, false],
        [mia, "left", "2026-06-08T11:00:00.000Z", false],
      ],
    );
    const names = (await client.allEvents("user_id:mia")).map(({ name }) => name);
    assert.deepEqual(names.toSorted().slice(-2), ["Segment Entered", "Segment Left"]);
  });
});

describe("the feed", () => {
  it("tells each change once, whatever the size of the page", async () => {
    const all = (await changes("/v1/changes", "0")).items;
    assert.ok(all.length > 50);
    const cursors: string[] = [];
    for (let cursor = "0"; ;) {
      const page = await changes("/v1/changes", cursor, 7);
      if (page.items.length === 0) break;
      cursors.push(...page.items.map((item) => item.cursor));
      cursor = page.next;
    }
    assert.deepEqual(
      cursors,
      all.map(({ cursor }) => cursor),
    );
    assert.equal(new Set(cursors).size, cursors.length);
    const one = (await changes("/v1/segments/buyers/changes", "0")).items;
    assert.deepEqual(
      one,
      all.filter(({ segment }) => segment === "buyers"),
    );
    assert.ok(one.every(({ backfill }) => backfill));
    (await client.get("/v1/changes", { after: "what" })).refused(400, "bad_cursor");
    (await client.get("/v1/changes", { afer: "0" })).refused(400, "unknown_parameter");
  });

  it("streams, from now on, and again from where a reader was", async () => {
    await define({ id: "clicked", include: 'exists("Clicked")' });
    const { url, workspace } = site.server;
    const click = (name: string): Promise<void> => sender.takeAll([track({ userId: name }, "Clicked")]);
    const stream = await Stream.open(url, workspace.secret_key, "/v1/stream?segment=clicked");
    await click("s1");
    await click("s2");
    const [first, second] = await stream.first<Change>(2);
    assert.deepEqual([first?.change, second?.change], ["entered", "entered"]);
    assert.deepEqual([first?.customer, second?.customer], await ids(["s1", "s2"]));
    stream.close();
    await sender.takeAll(times(700, (i) => track({ userId: `many${i}` }, "Clicked")));
    const again = await Stream.open(url, workspace.secret_key, "/v1/stream?segment=clicked", first?.cursor);
    const rest = await again.first<Change>(701);
    assert.equal(rest[0]?.cursor, second?.cursor);
    assert.deepEqual(
      rest.map(({ cursor }) => cursor),
      (await changes("/v1/segments/clicked/changes", first?.cursor ?? "")).items.map(({ cursor }) => cursor),
    );
    assert.equal(again.lastId, rest.at(-1)?.cursor);
    again.close();
    const whole = await Stream.open(url, workspace.secret_key, "/v1/stream?after=0");
    assert.equal((await whole.first<Change>(50))[0]?.cursor, "1");
    whole.close();
    await until("their places are free again", 10_000, async () =>
      (await client.metrics()).get("rapport_streams") === 0 ? true : undefined,
    );
    (await client.get("/v1/stream", { after: "zz" })).refused(400, "bad_cursor");
  });

  it("ends with the key it was opened with", async () => {
    const { key, id } = await client.makeKey({ kind: "secret", name: "reader", scopes: ["read"] });
    const stream = await Stream.open(site.server.url, key, "/v1/stream");
    (await client.ask("DELETE", `/v1/keys/${id}`)).expect(204);
    await until("the stream ends", 10_000, async () => stream.ended || undefined);
  });

  it("takes a bounded number of readers", async () => {
    const { url, workspace } = site.server;
    const open = (): Promise<Stream> => Stream.open(url, workspace.secret_key, "/v1/stream");
    const streams = await Promise.all(times(64, open));
    (await client.get("/v1/stream")).refused(503, "too_many_streams");
    for (const stream of streams) stream.close();
    const next = await until("a place is free", 10_000, open);
    next.close();
  });
});

describe("a static list", () => {
  it("has whom people put on it", async () => {
    await define({ id: "guests", kind: "list" });
    const change = (method: string, references: string[]) =>
      client.ask(method, "/v1/segments/guests/members", { body: { references } });
    const missing = ["email:nobody@exemple.fr", "nonsense"];
    const added = (await change("POST", ["user_id:u1", "user_id:u2", "user_id:u1", ...missing])).expect<{
      not_found: string[];
      customers: number;
    }>();
    assert.deepEqual(added, { not_found: missing, customers: 2 });
    assert.deepEqual(sorted(await members("guests")), sorted(await ids(["u1", "u2"])));
    (await change("DELETE", ["user_id:u2", "user_id:u3"])).expect();
    assert.deepEqual(await members("guests"), await ids(["u1"]));
    (await change("POST", [])).refused(400, "bad_member");
    const wrong = { body: { references: ["user_id:u1"] } };
    (await client.ask("POST", "/v1/segments/buyers/members", wrong)).refused(422, "not_a_list");
    (await client.ask("POST", "/v1/segments/nobody/members", wrong)).refused(404, "no_segment");
  });

  it("overlaps with segments as sets do", async () => {
    const names = ["buyers", "loyal", "guests"];
    const sets = await Promise.all(names.map(async (id) => new Set(await members(id))));
    const overlap = (await client.get("/v1/segments/overlap", { ids: names.join(",") })).expect<{
      segments: string[];
      members: number[];
      both: number[][];
      any: number;
      all: number;
    }>();
    const both = sets.map((a) => sets.map((b) => [...a].filter((id) => b.has(id)).length));
    assert.deepEqual(overlap, {
      segments: names,
      members: sets.map((set) => set.size),
      both,
      any: new Set(sets.flatMap((set) => [...set])).size,
      all: [...(sets[0] ?? [])].filter((id) => sets.every((set) => set.has(id))).length,
    });
    (await client.get("/v1/segments/overlap", { ids: "buyers" })).refused(400, "bad_segments");
    (await client.get("/v1/segments/overlap", { ids: "buyers,nobody" })).refused(404, "no_segment");
    (await client.get("/v1/segments/overlap")).refused(400, "missing_parameter");
  });
});

describe("a preview", () => {
  const preview = (body: object) => client.ask("POST", "/v1/segments/preview", { body });

  it("agrees with what the segment is, and stores nothing", async () => {
    const before = (await client.get("/v1/segments")).text;
    const body = {
      include: 'count("Order Completed") >= 2',
      exclude: [{ name: "belgians", when: 'traits.country = "BE"' }, { when: 'count("Order Completed") >= 4' }],
      traits: ["country", "nothing"],
      sample: 5,
    };
    const seen = (await preview(body)).expect<Preview>();
    const all = times(SHOPS, (i) => ({ orders: i % 5, country: i % 10 === 9 ? undefined : countries[i % 3] }));
    const included = all.filter(({ orders }) => orders >= 2);
    const rest = included.filter(({ orders, country }) => country !== "BE" && orders < 4);
    const with_country = (name: string | undefined): number => rest.filter(({ country }) => country === name).length;
    assert.deepEqual([seen.exact, seen.interval, seen.members], [true, null, rest.length]);
    assert.equal(seen.looked_at, seen.customers);
    assert.deepEqual(seen.excluded, [
      { name: "belgians", removed: included.filter(({ country }) => country === "BE").length },
      { name: 'count("Order Completed") >= 4', removed: included.filter(({ orders }) => orders >= 4).length },
    ]);
    assert.equal(seen.sample.length, 5);
    const inside = new Set(await ids(times(SHOPS, user)));
    assert.ok(seen.sample.every(({ id, traits }) => inside.has(id) && traits["country"] !== "BE"));
    const [country, nothing] = seen.traits;
    assert.deepEqual(
      new Map(country?.values.map(({ value, members: number }) => [value, number])),
      new Map(["FR", "CH"].map((name): [string, number] => [name, with_country(name)]).toSorted((a, b) => b[1] - a[1])),
    );
    assert.deepEqual([country?.missing, country?.other], [with_country(undefined), 0]);
    assert.deepEqual([nothing?.values, nothing?.missing], [[], rest.length]);
    assert.equal((await client.get("/v1/segments")).text, before);
  });

  it("counts those who have done nothing, where the expression does", async () => {
    const stats = await client.stats();
    const none = (await preview({ include: 'not exists("Order Completed")', sample: 0 })).expect<Preview>();
    const some = (await preview({ include: 'exists("Order Completed")', sample: 0 })).expect<Preview>();
    assert.equal(none.members + some.members, stats.customers);
    assert.deepEqual(none.sample, []);
  });

  it("estimates at once; a small base is seen whole", async () => {
    const body = { include: 'count("Order Completed") >= 2', traits: ["country"] };
    const exact = (await preview(body)).expect<Preview>();
    const seen = (await preview({ ...body, estimate: true })).expect<Preview>();
    assert.equal(seen.exact, true);
    assert.deepEqual(
      [seen.members, seen.share, seen.traits, seen.sample],
      [exact.members, exact.share, exact.traits, exact.sample],
    );
  });

  it("of a larger base is an interval around what is right", async () => {
    const own = await openSite();
    const people = times(6000, (i) => identify({ userId: user(i) }, { group: i % 3 }));
    for (let i = 0; i < people.length; i += 1000) await own.sender.takeAll(people.slice(i, i + 1000));
    const body = { include: "traits.group = 1", traits: ["group"], sample: 3, estimate: true, within_ms: 1 };
    const seen = (await own.client.ask("POST", "/v1/segments/preview", { body })).expect<Preview>();
    assert.equal(seen.exact, false);
    assert.ok(seen.looked_at > 0 && seen.looked_at < seen.customers);
    const { low, high } = seen.interval ?? { low: 0, high: 0 };
    assert.ok(low <= seen.members && seen.members <= high && low < high);
    // Twice as wide as 95 %: it never fails by chance.
    assert.ok(low - (high - low) <= 2000 && 2000 <= high + (high - low), JSON.stringify(seen.interval));
    assert.deepEqual(
      seen.traits[0]?.values.map(({ value, members: number }) => [value, number]),
      [[1, seen.members]],
    );
    assert.equal(seen.sample.length, 3);
    await own.close();
  });

  it("refuses and warns as a definition does", async () => {
    const problem = (await preview({ include: "true", exclude: [{ when: "1 +" }] })).expect<{
      field: string;
      line: number;
    }>(422);
    assert.deepEqual([problem.field, problem.line], ["exclude[0].when", 1]);
    (await preview({ include: "true", sample: 1000 })).refused(400, "bad_member");
    (await preview({ include: "true", smple: 1 })).refused(400, "unknown_member");
    (await preview({})).refused(400, "bad_member", /include/);
    const { warnings } = (await preview({ include: 'exists("Order Complet")' })).expect<Preview>();
    assert.equal(warnings.length, 1);
  });
});

describe("the command line", () => {
  it("does the same on a server", async () => {
    const { url, workspace } = site.server;
    const rapport = async (args: string[], input?: string) => {
      const done = await run(["segment", ...args, "--url", url], {
        env: { RAPPORT_KEY: workspace.secret_key },
        ...(input === undefined ? {} : { input }),
      });
      assert.equal(done.code, 0, done.stderr);
      return done.stdout;
    };
    const definition = { id: "spender", include: 'sum(total of "Order Completed") > 60' };
    const put_answer = await rapport(["put", "-", "--json"], JSON.stringify(definition));
    assert.equal((JSON.parse(put_answer) as Segment).status, "live");
    const changed = { id: "spender", include: 'sum(total of "Order Completed") > 50' };
    assert.equal((JSON.parse(await rapport(["put", "-", "--json"], JSON.stringify(changed))) as Segment).version, 2);
    const lines = (await rapport(["members", "spender", "--format", "ndjson"])).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { id: string }).id),
      await members("spender"),
    );
    const csv = (await rapport(["members", "spender", "--format", "csv", "--limit", "3"])).trim().split("\n");
    assert.deepEqual([csv[0], csv.length], ["id,since,variant", 4]);
    await rapport(["put", "-"], JSON.stringify({ id: "vips", kind: "list" }));
    assert.equal(await rapport(["add", "vips", "-"], "user_id:u5\n\nuser_id:u6\n"), "2 on the list\n");
    assert.equal(await rapport(["remove", "vips", "user_id:u6"]), "1 off the list\n");
    assert.deepEqual(await members("vips"), await ids(["u5"]));
    assert.match(await rapport(["changes", "vips"]), /entered[\s\S]*left/);
    assert.match(await rapport(["overlap", "vips", "spender"]), /in any of them \d+, in all \d+/);
    assert.match(await rapport(["list"]), /spender/);
    await rapport(["archive", "vips"]);
    const gone = await run(["segment", "show", "vips", "--url", url], { env: { RAPPORT_KEY: workspace.secret_key } });
    assert.equal(gone.code, 1);
    const wrong = await run(["segment", "put", "-", "--url", url], {
      env: { RAPPORT_KEY: workspace.secret_key },
      input: '{"id":"bad","include":"couunt(\\"Order Completed\\") > 1"}',
    });
    assert.deepEqual([wrong.code, /line 1, column 1.*count/.test(wrong.stderr)], [1, true]);
  });
});

describe("a stop", () => {
  it("ends streams at once, and their readers go on after the restart", async () => {
    const own = await openSite();
    const { url, workspace } = own.server;
    const stream = await Stream.open(url, workspace.secret_key, "/v1/stream");
    const begun = Date.now();
    await own.close();
    assert.ok(Date.now() - begun < 5000);
    assert.ok(stream.ended);
    assert.ok(stream.lastId !== undefined);
  });
});
