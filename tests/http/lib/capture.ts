// Recordings of what third-party SDKs put on the wire. They lie beside the project and are never copied into it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { basic } from "./client.ts";
import { REPOSITORY } from "./program.ts";
import type { Sent } from "./wire.ts";

export const SHARED = resolve(process.env["RAPPORT_SHARED"] ?? join(REPOSITORY, "../shared"));
const FOLDER = join(SHARED, "sdk-captures");

type Body = string | { [name: string]: unknown };

export interface Recorded {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Body;
}

export interface Capture {
  name: string;
  requests: Recorded[];
}

/** Undefined when the recordings are not on this machine. */
export function readCaptures(): Capture[] | undefined {
  if (!existsSync(FOLDER)) return undefined;
  const files = ["node", "browser"].flatMap((kind) =>
    readdirSync(join(FOLDER, kind))
      .filter((file) => file.endsWith(".json"))
      .map((file) => join(kind, file)),
  );
  return files.sort().map((file) => {
    const { requests } = JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as { requests: Recorded[] };
    return { name: file.replace(/\.json$/, ""), requests };
  });
}

// What belongs to one connection or to the bytes as they were then.
const OWN_HEADERS = new Set(["host", "connection", "content-length", "transfer-encoding", "accept-encoding"]);

/** The key where the recording has one: the secret of "id:secret", the user of Basic. */
function withKey(headers: Record<string, string>, key: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (OWN_HEADERS.has(name)) continue;
    if (name === "authorization" && value.startsWith("Basic ")) result[name] = basic(key);
    else if (name === "x-write-key") result[name] = value.includes(":") ? value.replace(/:.*/, `:${key}`) : key;
    else result[name] = value;
  }
  return result;
}

function bodyOf(recorded: Recorded, key: string): string {
  const { body } = recorded;
  if (typeof body === "string") return body;
  const own = body["writeKey"];
  const masked = typeof own === "string" && own.includes("*");
  return JSON.stringify(own === undefined || masked ? body : { ...body, writeKey: key });
}

/** The recorded request with our key in every place where it had its own. */
export function replay(recorded: Recorded, key: string): Sent {
  const path = recorded.url
    .replace(/\/projects\/[^/]+\/settings/, `/projects/${key}/settings`)
    .replace(/([?&]writeKey=)[^&]*/, `$1${key}`);
  const headers = withKey(recorded.headers, key);
  if (recorded.method !== "POST") return { method: recorded.method, path, headers };
  const json = bodyOf(recorded, key);
  const body = recorded.headers["content-encoding"] === "gzip" ? gzipSync(json) : Buffer.from(json);
  return { method: recorded.method, path, headers, body };
}

/** The events of a recorded request. */
export function eventsOf(recorded: Recorded): { messageId?: string }[] {
  if (recorded.method !== "POST" || typeof recorded.body === "string") return [];
  const { batch } = recorded.body;
  return Array.isArray(batch) ? (batch as { messageId?: string }[]) : [recorded.body];
}
