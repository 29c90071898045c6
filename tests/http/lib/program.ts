// The program under test as a command: where it is, and one run of it from start to end.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this test package, whatever the current directory. */
export const HERE = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const REPOSITORY = resolve(HERE, "../..");
export const PROGRAM = resolve(process.env["RAPPORT_PROGRAM"] ?? join(REPOSITORY, "build/rapport"));

/** Tests that take minutes run only when asked for. */
export const LONG = process.env["RAPPORT_TEST_LONG"] === "1";

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  env?: Record<string, string>;
  timeout_ms?: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const children = new Set<ChildProcess>();

// Whatever happens to the tests, no child outlives them.
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** The environment of the program: nothing of the tests' own settings reaches it. */
function environment(extra: Record<string, string>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("RAPPORT_"));
  return { ...Object.fromEntries(own), ...extra };
}

/** Starts the program. Its output is the caller's to read. */
export function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: build it, or set RAPPORT_PROGRAM`);
  const child = spawn(PROGRAM, args, { env: environment(env), stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  // A program that ends early leaves a broken pipe; its exit status tells the story.
  child.stdin?.on("error", () => undefined);
  return child;
}

/** Runs a command to its end and gives back all that it said. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = start(args, options.env);
  return new Promise((done, failed) => {
    let stdout = "";
    let stderr = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeout_ms ?? DEFAULT_TIMEOUT_MS);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", failed);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, stdout, stderr });
    });
    child.stdin?.end(options.input ?? "");
  });
}

/** Runs a command that must succeed and gives back its standard output. */
export async function must(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await run(args, options);
  if (code !== 0) throw new Error(`rapport ${args.join(" ")} ended with ${code ?? signal}:\n${stderr}`);
  return stdout;
}
