// A reader of server-sent events: what a stream has sent so far, one event after another.
import { request as open, type ClientRequest, type IncomingMessage } from "node:http";
import { until, within } from "./poll.ts";

const ANSWER_MS = 10_000;

export interface StreamEvent {
  id?: string;
  event?: string;
  data?: string;
}

export class Stream {
  readonly events: StreamEvent[] = [];
  comments = 0;
  /** As an EventSource would send it when it comes again. */
  lastId: string | undefined;
  ended = false;
  private readonly request: ClientRequest;
  private readonly response: IncomingMessage;
  private rest = "";

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.request = request;
    this.response = response;
    response.setEncoding("utf8").on("data", (text: string) => this.take(text));
    response.once("close", () => (this.ended = true));
    response.on("error", () => undefined);
  }

  static async open(url: string, key: string, path: string, lastId?: string): Promise<Stream> {
    const headers = { authorization: `Bearer ${key}`, ...(lastId === undefined ? {} : { "last-event-id": lastId }) };
    const request = open(new URL(path, url), { headers, agent: false });
    const response = new Promise<IncomingMessage>((done, failed) => {
      request.once("response", done);
      request.once("error", failed);
    });
    request.end();
    const answer = await within(`${path} answers`, ANSWER_MS, response);
    request.on("error", () => undefined);
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode ?? 0}`);
    if (answer.headers["content-type"] !== "text/event-stream") throw new Error("no event stream");
    return new Stream(request, answer);
  }

  private take(text: string): void {
    const blocks = (this.rest + text).split("\n\n");
    this.rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event: StreamEvent = {};
      for (const line of block.split("\n")) {
        const [name, value] = line.split(/: ?(.*)/s, 2);
        if (name === "") this.comments++;
        if (name === "id" || name === "event" || name === "data") event[name] = value ?? "";
      }
      this.lastId = event.id ?? this.lastId;
      if (event.data !== undefined) this.events.push(event);
    }
  }

  /** The first `count` events' data, once they have come. */
  async first<T>(count: number, deadline_ms = 10_000): Promise<T[]> {
    await until(`${count} events come`, deadline_ms, async () => this.events.length >= count || undefined);
    return this.events.slice(0, count).map(({ data }) => JSON.parse(data ?? "null") as T);
  }

  /** Takes nothing from the connection any more. */
  pause(): void {
    this.response.pause();
  }

  close(): void {
    this.request.destroy();
  }
}
