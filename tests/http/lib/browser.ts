// Debian's own Chromium without a head, on a page of its own origin, so that it asks before it sends, as it does on a
// real site. It reaches nothing but this machine.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { chromium, type Browser as Chromium, type Page } from "playwright-core";
import { HERE } from "./program.ts";

const CHROMIUM = process.env["RAPPORT_CHROMIUM"] ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** Undefined when there is no Chromium on this machine. */
export function chromiumPath(): string | undefined {
  return existsSync(CHROMIUM) ? CHROMIUM : undefined;
}

export class Browser {
  private readonly chromium: Chromium;

  private constructor(launched: Chromium) {
    this.chromium = launched;
  }

  static async open(executablePath: string): Promise<Browser> {
    return new Browser(await chromium.launch({ executablePath, args: ARGUMENTS }));
  }

  /** As somebody who was never here: cookies do not tell ports apart. */
  async visit(url: string): Promise<Page> {
    const context = await this.chromium.newContext();
    const page = await context.newPage();
    await page.goto(url);
    return page;
  }

  async close(): Promise<void> {
    await this.chromium.close();
  }
}

export interface Shop {
  url: string;
  close(): Promise<void>;
}

/** A web site whose only page loads a script of an npm package. */
export async function openShop(script: string): Promise<Shop> {
  const code = await readFile(join(HERE, "node_modules", script));
  const html =
    '<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>Shop</title><script src="/sdk.js"></script></head><body>Shop</body></html>';
  const server = createServer((request, response) => {
    if (request.url === "/sdk.js") response.writeHead(200, { "content-type": "text/javascript" }).end(code);
    else if (request.url?.startsWith("/shop") === true)
      response.writeHead(200, { "content-type": "text/html" }).end(html);
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((done) => server.close(() => done()));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/shop`, close };
}
