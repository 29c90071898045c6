// A client that believes nothing: every answer must be one that docs/openapi.yaml describes.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type {
  Aside,
  Customer,
  Event,
  Explanation,
  Found,
  Identity,
  Job,
  Json,
  Key,
  NewKey,
  Page,
  Problem,
  Receipt,
  Report,
  Rerun,
  Rules,
  Schema,
  Source,
  SplitResult,
  Stats,
  Traits,
  Trial,
} from "./documents.ts";
import type { Message } from "./message.ts";
import { openApi } from "./openapi.ts";
import { until } from "./poll.ts";
import { Wire, type Answer, type Sent } from "./wire.ts";

export interface AskOptions {
  /** Sent as JSON unless it is text or bytes already. */
  body?: object | string | Buffer;
  headers?: Record<string, string>;
  /** Instead of the client's own; null sends none. */
  key?: string | null;
  gzip?: boolean;
}

export type Query = Record<string, string | number | boolean | undefined>;

export class Reply {
  readonly sent: string;
  readonly status: number;
  readonly headers: Answer["headers"];
  readonly body: Buffer;

  constructor(sent: string, answer: Answer) {
    this.sent = sent;
    this.status = answer.status;
    this.headers = answer.headers;
    this.body = answer.body;
  }

  get text(): string {
    return this.body.toString("utf8");
  }

  json<T>(): T {
    return JSON.parse(this.text) as T;
  }

  /** The body of an answer that must have this status. */
  expect<T>(status = 200): T {
    assert.equal(this.status, status, `${this.sent}: ${this.text.slice(0, 2000)}`);
    return (this.body.length === 0 ? undefined : this.json<T>()) as T;
  }

  /** A refusal: its status, its code, and words that hold `words`. */
  refused(status: number, code: string, words: RegExp = /./): Problem {
    const problem = this.expect<Problem>(status);
    assert.equal(problem.code, code, problem.detail);
    assert.equal(problem.status, status);
    assert.match(problem.detail, words);
    assert.match(this.headers["content-type"] ?? "", /^application\/problem\+json/);
    return problem;
  }
}

export function basic(user: string, password = ""): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

export function query(path: string, values: Query): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) given.set(name, String(value));
  const text = given.toString();
  return text === "" ? path : `${path}?${text}`;
}

export class Client {
  private readonly wire: Wire;
  private readonly key: string;

  constructor(url: string, key: string) {
    this.wire = new Wire(url);
    this.key = key;
  }

  close(): void {
    this.wire.close();
  }

  /** One exchange, checked against the description. */
  async send(sent: Sent): Promise<Reply> {
    const answer = await this.wire.send(sent);
    const contentType = answer.headers["content-type"] ?? "";
    const { status, body } = answer;
    const fault = openApi().fault({ method: sent.method, path: sent.path, status, contentType, body });
    assert.equal(fault, undefined, fault);
    return new Reply(`${sent.method} ${sent.path}`, answer);
  }

  async ask(method: string, path: string, options: AskOptions = {}): Promise<Reply> {
    const { body } = options;
    const key = options.key === undefined ? this.key : options.key;
    const plain = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const zipped = options.gzip === true && plain !== undefined;
    const headers = {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(plain === undefined ? {} : { "content-type": "application/json" }),
      ...(zipped ? { "content-encoding": "gzip" } : {}),
      ...options.headers,
    };
    const bytes = zipped ? gzipSync(plain) : plain;
    return this.send({ method, path, headers, ...(bytes === undefined ? {} : { body: bytes }) });
  }

  get(path: string, values: Query = {}): Promise<Reply> {
    return this.ask("GET", query(path, values));
  }

  // --- events in

  /** Sends one message to the address of its type. */
  async take(message: Message): Promise<Report> {
    return (await this.ask("POST", `/v1/${message.type}`, { body: message })).expect<Report>();
  }

  async batch(batch: readonly object[], more: object = {}): Promise<Report> {
    return (await this.ask("POST", "/v1/batch", { body: { batch, ...more } })).expect<Report>();
  }

  /** A batch of which every event must be taken. */
  async takeAll(batch: readonly object[], more: object = {}): Promise<void> {
    const report = await this.batch(batch, more);
    assert.equal(report.taken, batch.length, JSON.stringify({ ...report, success: undefined }).slice(0, 1000));
  }

  // --- customers

  async customer(reference: string): Promise<Customer> {
    return (await this.get(at(reference))).expect<Customer>();
  }

  /** Undefined when nobody has this identifier. */
  async find(reference: string): Promise<Customer | undefined> {
    const reply = await this.get(at(reference));
    if (reply.status === 404) return undefined;
    return reply.expect<Customer>();
  }

  async events(reference: string, values: Query = {}): Promise<Page<Event>> {
    return (await this.get(at(reference, "/events"), values)).expect<Page<Event>>();
  }

  /** All events, through as many pages as there are; newest first. */
  async allEvents(reference: string, limit = 1000): Promise<Event[]> {
    const all: Event[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await this.events(reference, { limit, after });
      all.push(...page.items);
      if (page.next === null) return all;
      after = page.next;
    }
  }

  async identity(reference: string): Promise<Identity> {
    return (await this.get(at(reference, "/identity"))).expect<Identity>();
  }

  async export(reference: string): Promise<{ [name: string]: Json }> {
    return (await this.get(at(reference, "/export"))).expect<{ [name: string]: Json }>();
  }

  async search(q: string, limit?: number): Promise<Found[]> {
    return (await this.get("/v1/customers", { q, limit })).expect<{ items: Found[] }>().items;
  }

  async split(reference: string, what: object): Promise<SplitResult> {
    return (await this.ask("POST", at(reference, "/split"), { body: what })).expect<SplitResult>();
  }

  async correct(reference: string, traits: Traits, author = "ana"): Promise<Customer> {
    return (await this.ask("POST", at(reference, "/corrections"), { body: { traits, author } })).expect<Customer>();
  }

  async erase(reference: string, values: Query = {}): Promise<Receipt> {
    return (await this.ask("DELETE", query(at(reference), values))).expect<Receipt>();
  }

  // --- identity

  async explain(a: string, b: string): Promise<Explanation> {
    return (await this.get("/v1/identity/explain", { a, b })).expect<Explanation>();
  }

  async allow(a: string, b: string): Promise<void> {
    (await this.ask("POST", "/v1/identity/allow", { body: { a, b } })).expect();
  }

  async rules(version?: number): Promise<Rules> {
    return (await this.get("/v1/identity/rules", { version })).expect<Rules>();
  }

  async putRules(rules: Rules["rules"], author = "ana"): Promise<number> {
    const reply = await this.ask("PUT", "/v1/identity/rules", { body: { rules, author } });
    return reply.expect<{ version: number }>().version;
  }

  async tryRules(rules: Rules["rules"]): Promise<Trial> {
    return (await this.ask("PUT", "/v1/identity/rules?dry_run=true", { body: { rules } })).expect<Trial>();
  }

  async rerun(): Promise<Rerun> {
    return (await this.get("/v1/identity/rules/rerun")).expect<Rerun>();
  }

  async startRerun(author?: string): Promise<Rerun> {
    const body = author === undefined ? {} : { body: { author } };
    return (await this.ask("POST", "/v1/identity/rules/rerun", body)).expect<Rerun>(202);
  }

  async stopRerun(): Promise<Rerun> {
    return (await this.ask("DELETE", "/v1/identity/rules/rerun")).expect<Rerun>();
  }

  // --- the workspace

  async asides(values: Query = {}): Promise<Page<Aside>> {
    return (await this.get("/v1/aside", values)).expect<Page<Aside>>();
  }

  async resend(id: string, event?: object): Promise<Reply> {
    return this.ask("POST", `/v1/aside/${encodeURIComponent(id)}/resend`, event ? { body: event } : {});
  }

  async schema(sample?: number): Promise<Schema> {
    return (await this.get("/v1/schema", { sample })).expect<Schema>();
  }

  async stats(): Promise<Stats> {
    return (await this.get("/v1/stats")).expect<Stats>();
  }

  async sources(): Promise<Source[]> {
    return (await this.get("/v1/sources")).expect<{ items: Source[] }>().items;
  }

  async putSource(source: Partial<Source>): Promise<Source> {
    return (await this.ask("POST", "/v1/sources", { body: source })).expect<Source>();
  }

  async keys(): Promise<Key[]> {
    return (await this.get("/v1/keys")).expect<{ items: Key[] }>().items;
  }

  async makeKey(wanted: object): Promise<NewKey> {
    return (await this.ask("POST", "/v1/keys", { body: wanted })).expect<NewKey>(201);
  }

  // --- jobs

  async startBackup(name: string): Promise<Job> {
    return (await this.ask("POST", "/v1/backups", { body: { name } })).expect<Job>(202);
  }

  async startCheck(): Promise<Job> {
    return (await this.ask("POST", "/v1/checks")).expect<Job>(202);
  }

  /** The job's document when it has ended. */
  async ended({ id }: Job): Promise<Job> {
    return until(`job ${id} ends`, 60_000, async () => {
      const job = (await this.get(`/v1/jobs/${id}`)).expect<Job>();
      return job.state === "running" ? undefined : job;
    });
  }

  async metrics(): Promise<Map<string, number>> {
    const reply = await this.get("/metrics");
    assert.equal(reply.status, 200);
    const lines = reply.text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.replace(/^.* /, ""))]));
  }

  /** Moves the clock of a server that was started with --test-clock. */
  async holdClock(now: string): Promise<void> {
    (await this.ask("POST", "/v1/clock", { body: { now } })).expect();
  }
}

/** The address of a customer: "email:zoe@exemple.fr" may hold anything. */
export function at(reference: string, rest = ""): string {
  return `/v1/customers/${encodeURIComponent(reference)}${rest}`;
}
