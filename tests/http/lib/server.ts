// A running server: started on a free port of the loopback address, stopped by its own process id.
import type { ChildProcess } from "node:child_process";
import assert from "node:assert/strict";
import { Client } from "./client.ts";
import { within } from "./poll.ts";
import { start } from "./program.ts";
import { makeWorkspace, removeWorkspace, type Workspace } from "./workspace.ts";

const START_MS = 30_000;
const STOP_MS = 30_000;
const KEPT_LOG_BYTES = 64 * 1024;

export interface ServerOptions {
  args?: readonly string[];
  env?: Record<string, string>;
}

export class Server {
  readonly url: string;
  readonly workspace: Workspace;
  private readonly child: ChildProcess;
  private readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private readonly output: { log: string };

  private constructor(
    url: string,
    workspace: Workspace,
    child: ChildProcess,
    ended: Server["ended"],
    output: { log: string },
  ) {
    this.url = url;
    this.workspace = workspace;
    this.child = child;
    this.ended = ended;
    this.output = output;
  }

  static async start(workspace: Workspace, options: ServerOptions = {}): Promise<Server> {
    const args = ["serve", "--data", workspace.data, "--listen", "127.0.0.1:0", ...(options.args ?? [])];
    const child = start(args, options.env);
    const output = { log: "" };
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
      child.once("close", (code, signal) => done({ code, signal }));
    });
    const address = new Promise<string>((found, failed) => {
      const read = (text: string): void => {
        output.log = (output.log + text).slice(-KEPT_LOG_BYTES);
        const match = /listening on (http:\/\/\S+:\d+)/.exec(output.log);
        if (match?.[1]) found(match[1]);
      };
      child.stdout?.setEncoding("utf8").on("data", read);
      child.stderr?.setEncoding("utf8").on("data", read);
      void ended.then(({ code, signal }) => failed(new Error(`serve ended with ${code ?? signal}:\n${output.log}`)));
    });
    const url = await within("the server tells its address", START_MS, address);
    return new Server(url, workspace, child, ended, output);
  }

  get pid(): number {
    assert.ok(this.child.pid);
    return this.child.pid;
  }

  get log(): string {
    return this.output.log;
  }

  /** With the workspace's secret key, which may do everything. */
  client(key: string = this.workspace.secret_key): Client {
    return new Client(this.url, key);
  }

  /** As a browser's or an app's SDK. */
  sender(): Client {
    return new Client(this.url, this.workspace.write_key);
  }

  /** A clean end: the exit status must say that nothing was left undone. */
  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    const { code, signal } = await within("the server stops", STOP_MS, this.ended);
    assert.equal(code, 0, `serve ended with ${code ?? signal}:\n${this.log}`);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async end(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return within("the server ends", STOP_MS, this.ended);
  }

  /** Harmless when it has ended already. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.end();
  }
}

/** A server on a workspace of its own, for all tests of a suite; `close` ends both. */
export interface Site {
  server: Server;
  workspace: Workspace;
  client: Client;
  sender: Client;
  close(): Promise<void>;
}

export async function openSite(options: ServerOptions = {}): Promise<Site> {
  const workspace = await makeWorkspace();
  const server = await Server.start(workspace, options);
  const client = server.client();
  const sender = server.sender();
  const close = async (): Promise<void> => {
    client.close();
    sender.close();
    await server.stop();
    await removeWorkspace(workspace);
  };
  return { server, workspace, client, sender, close };
}
