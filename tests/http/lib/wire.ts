// One HTTP exchange, byte for byte: no client library between the test and what is sent.
import { Agent, request as open, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";

export interface Sent {
  method: string;
  /** With its query. */
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: Buffer | string;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const ANSWER_MS = 60_000;

export class Wire {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly url: URL;

  constructor(url: string) {
    this.url = new URL(url);
  }

  send(sent: Sent): Promise<Answer> {
    return new Promise((done, failed) => {
      const request = open({
        agent: this.agent,
        host: this.url.hostname,
        port: this.url.port,
        method: sent.method,
        path: sent.path,
        headers: withLength(sent),
        timeout: ANSWER_MS,
      });
      request.once("timeout", () => request.destroy(new Error(`${sent.method} ${sent.path}: no answer`)));
      request.once("error", failed);
      request.once("response", (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.once("error", failed);
        response.once("end", () => {
          done({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) });
        });
      });
      request.end(sent.body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function withLength(sent: Sent): OutgoingHttpHeaders {
  if (sent.body === undefined && (sent.method === "GET" || sent.method === "OPTIONS")) return { ...sent.headers };
  return { ...sent.headers, "content-length": sent.body === undefined ? 0 : Buffer.byteLength(sent.body) };
}
