// A workspace of its own in a temporary directory, with the keys that `rapport init` printed.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "./program.ts";

export interface Keys {
  write_key: string;
  secret_key: string;
}

export interface Workspace extends Keys {
  /** Temporary; holds the data directory and whatever a test puts beside it. */
  directory: string;
  data: string;
}

export interface WorkspaceOptions {
  region?: string;
  /** Made inside this directory instead of the system's temporary one. */
  parent?: string;
  args?: readonly string[];
}

export async function temporary(parent = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, "rapport-test-"));
}

export function readKeys(json: string): Keys {
  const keys = JSON.parse(json) as Partial<Keys>;
  if (!keys.write_key || !keys.secret_key) throw new Error(`these are no keys: ${json}`);
  return { write_key: keys.write_key, secret_key: keys.secret_key };
}

export async function makeWorkspace(options: WorkspaceOptions = {}): Promise<Workspace> {
  const directory = await temporary(options.parent);
  const data = join(directory, "data");
  const keys = await must(["init", "--data", data, "--region", options.region ?? "FR", ...(options.args ?? [])]);
  return { directory, data, ...readKeys(keys) };
}

export async function removeWorkspace(workspace: Workspace): Promise<void> {
  await rm(workspace.directory, { recursive: true, force: true });
}
