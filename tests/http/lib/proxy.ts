// A server in front of another that first refuses as it is told to, then forwards: what a bad day looks like to an SDK.
import {
  createServer,
  request as open,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export interface Refusal {
  status: number;
  headers?: Record<string, string>;
}

export interface Passed {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  status: number;
}

export class Proxy {
  readonly url: string;
  /** What went through, in order. */
  readonly passed: Passed[] = [];
  private readonly server: HttpServer;

  private constructor(server: HttpServer, url: string) {
    this.server = server;
    this.url = url;
  }

  /** Refuses the first POSTs with `script`, one after the other, and forwards all that comes later. */
  static async open(target: string, script: readonly Refusal[]): Promise<Proxy> {
    const left = [...script];
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const proxy = new Proxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("request", (from, to) => {
      const refusal = from.method === "POST" ? left.shift() : undefined;
      if (refusal) proxy.refuse(from, to, refusal);
      else proxy.forward(from, to, new URL(target));
    });
    return proxy;
  }

  private note(from: IncomingMessage, status: number): void {
    this.passed.push({ method: from.method ?? "", path: from.url ?? "", headers: from.headers, status });
  }

  private refuse(from: IncomingMessage, to: ServerResponse, refusal: Refusal): void {
    this.note(from, refusal.status);
    const cors = {
      "access-control-allow-origin": from.headers.origin ?? "*",
      "access-control-expose-headers": "Retry-After",
    };
    from.resume();
    from.once("end", () => to.writeHead(refusal.status, { ...cors, ...refusal.headers }).end());
  }

  private forward(from: IncomingMessage, to: ServerResponse, target: URL): void {
    const { method, url: path, headers } = from;
    // With the Host it was asked by, so that settings which name an address name this one.
    const onward = open({ host: target.hostname, port: target.port, method, path, headers });
    onward.once("response", (answer) => {
      this.note(from, answer.statusCode ?? 0);
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    onward.once("error", () => to.destroy());
    from.pipe(onward);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((done) => this.server.close(() => done()));
  }
}
