// A full disk: writes are refused with a reason, reading goes on, and making room is enough to go on writing.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { identify, page, track } from "../lib/message.ts";
import { until } from "../lib/poll.ts";
import { must } from "../lib/program.ts";
import { Server } from "../lib/server.ts";
import { makeWorkspace, temporary } from "../lib/workspace.ts";

const execute = promisify(execFile);
const DISK_MIB = 320;
const RESERVE_MIB = 64;
const FEW_MS = 10_000;

async function mount(directory: string): Promise<boolean> {
  try {
    await execute("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", directory]);
    return true;
  } catch {
    return false;
  }
}

/** Leaves `free_bytes` on the disk. */
async function fill(file: string, directory: string, free_bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  await writeFile(file, Buffer.alloc(Math.max(0, bavail * bsize - free_bytes)));
}

it("a full disk", async (t) => {
  const disk = await temporary();
  if (!(await mount(disk))) {
    await rm(disk, { recursive: true });
    t.skip("no disk of one's own can be mounted here: this needs root and the right to mount");
    return;
  }
  const filler = join(disk, "filler");
  const settings = ["--disk-reserve", `${RESERVE_MIB}MiB`, "--write-buffer", "16MiB", "--cache-size", "16MiB"];
  let server: Server | undefined;
  try {
    const workspace = await makeWorkspace({ parent: disk, args: settings });
    server = await Server.start(workspace, { args: settings });
    const [client, sender] = [server.client(), server.sender()];
    const send = (userId: string): ReturnType<typeof sender.ask> =>
      sender.ask("POST", "/v1/t", { body: track({ userId }, "Written") });

    await t.test("below the reserve, writes are 507 and nothing is taken", async () => {
      await sender.takeAll([identify({ userId: "before" }, { firstName: "Ada" })]);
      await fill(filler, disk, (RESERVE_MIB * 1024 * 1024) / 2);
      const reply = await until("a write is refused", FEW_MS, async () => {
        const sent = await send("during");
        return sent.status === 200 ? undefined : sent;
      });
      reply.refused(507, "disk_full", /free|space|disk/i);
      assert.ok(Number(reply.headers["retry-after"]) > 0);
      const change = { body: { traits: { firstName: "Eve" }, author: "x" } };
      (await client.ask("POST", "/v1/customers/user_id%3Abefore/corrections", change)).refused(507, "disk_full");
    });

    await t.test("reading goes on, and /readyz says that writing does not", async () => {
      assert.equal((await client.customer("user_id:before")).traits["firstName"], "Ada");
      assert.equal((await client.get("/healthz")).status, 200);
      assert.equal((await client.get("/readyz")).status, 503);
    });

    await t.test("also on a disk without one byte left", async () => {
      await rm(filler);
      await fill(filler, disk, 0);
      assert.equal((await send("during")).status, 507);
      assert.equal((await client.customer("user_id:before")).traits["firstName"], "Ada");
    });

    await t.test("with room again, it writes on without a restart", async () => {
      await rm(filler);
      await until("a write is taken", FEW_MS, async () => ((await send("after")).status === 200 ? true : undefined));
      await sender.takeAll([page({ userId: "after" })]);
      assert.equal((await client.get("/readyz")).status, 200);
      assert.equal((await client.customer("user_id:before")).traits["firstName"], "Ada");
    });

    await t.test("and what it keeps is whole", async () => {
      client.close();
      sender.close();
      await server?.stop();
      server = undefined;
      await must(["check", "--data", workspace.data]);
    });
  } finally {
    if (server) await server.kill().catch(() => undefined);
    await execute("umount", [disk]);
    await rm(disk, { recursive: true });
  }
});
