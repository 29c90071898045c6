// Many clients that write at once and remember what was acknowledged. What was not is sent again later, under the same
// message ids, as an SDK does; so in the end every event must be there exactly once.
import assert from "node:assert/strict";
import { Client } from "./client.ts";
import { identify, times, track, type Message } from "./message.ts";
import { sleep } from "./poll.ts";
import type { Server } from "./server.ts";

const BATCH_EVENTS = 20;

export class Writer {
  readonly name: string;
  /** Message ids that were answered with 200. */
  readonly acknowledged = new Set<string>();
  /** The batch whose answer never came. */
  private pending: Message[] | undefined;
  private batches = 0;

  constructor(name: string) {
    this.name = name;
  }

  get reference(): string {
    return `user_id:${this.name}`;
  }

  private next(): Message[] {
    const number = this.batches++;
    const who = { userId: this.name, anonymousId: `${this.name}-${number % 5}` };
    const id = (index: number): string => `${this.name}/${number}/${index}`;
    return times(BATCH_EVENTS, (index) =>
      index === 0
        ? identify(who, { batch: number }, { messageId: id(index) })
        : track(who, "Written", { number, index }, { messageId: id(index) }),
    );
  }

  /** Sends until the server goes away or `stopped` says so. A refusal of the whole request is no acknowledgement. */
  async write(server: Server, stopped: () => boolean): Promise<void> {
    const client = new Client(server.url, server.workspace.write_key);
    try {
      while (!stopped()) {
        this.pending ??= this.next();
        const reply = await client.ask("POST", "/v1/batch", { body: { batch: this.pending } });
        if (reply.status === 503) return;
        const report = reply.expect<{ taken: number; duplicates: number }>();
        assert.equal(report.taken + report.duplicates, BATCH_EVENTS, reply.text);
        for (const { messageId } of this.pending) this.acknowledged.add(messageId ?? "");
        this.pending = undefined;
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      client.close();
    }
  }

  /** Every acknowledged event is there, and none is there twice. */
  async check(client: Client): Promise<void> {
    const events = await client.allEvents(this.reference);
    const ids = events.map(({ message_id }) => message_id ?? "");
    assert.equal(new Set(ids).size, ids.length, `${this.name}: an event is there twice`);
    const found = new Set(ids);
    const lost = [...this.acknowledged].filter((id) => !found.has(id));
    assert.deepEqual(lost.slice(0, 5), [], `${this.name}: ${lost.length} acknowledged events are lost`);
    const unknown = this.pending?.map(({ messageId }) => messageId ?? "") ?? [];
    const extra = ids.filter((id) => !this.acknowledged.has(id) && !unknown.includes(id));
    assert.deepEqual(extra, [], `${this.name}: events that were never sent`);
  }
}

/** The server went away while an answer was awaited. */
function isGone(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? "";
  return (
    ["ECONNRESET", "ECONNREFUSED", "EPIPE", "ECONNABORTED"].includes(code) ||
    /socket hang up|aborted/.test(String(error))
  );
}

/** Lets all write for a while, then runs `end` while they still do, and waits for them. */
export async function load(
  writers: readonly Writer[],
  server: Server,
  for_ms: number,
  end: () => Promise<void>,
): Promise<void> {
  let stopped = false;
  const writing = writers.map((writer) => writer.write(server, () => stopped));
  const all = Promise.all(writing);
  // A writer's own failure must not wait for the end.
  await Promise.race([sleep(for_ms), all]);
  await end();
  stopped = true;
  await all;
}
