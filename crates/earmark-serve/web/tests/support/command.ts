/** The command `earmark`: run to its end, or as a server. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { EARMARK } from "./places.ts";

/** Without the settings of whoever runs the tests. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(EARMARK|HF_)/.test(name));
  return { ...Object.fromEntries(kept), HF_HUB_OFFLINE: "1", NO_COLOR: "1" };
}

export interface Ran {
  stdout: string;
  stderr: string;
}

/** Runs `earmark ARGS` in `folder`; anything but success is an error. */
export function earmark(folder: string, ...args: string[]): Ran {
  const ran = spawnSync(EARMARK, args, { cwd: folder, env: environment(), encoding: "utf8", timeout: 100_000 });
  if (ran.error) throw ran.error;
  if (ran.status !== 0) throw new Error(`earmark ${args.join(" ")} ended with ${ran.status ?? ran.signal}:\n${ran.stderr}`);
  return { stdout: ran.stdout, stderr: ran.stderr };
}

/** A running `earmark serve`. */
export class Server {
  private constructor(
    private readonly child: ChildProcess,
    /** `http://127.0.0.1:PORT`. */
    readonly url: string,
  ) {}

  /** Starts it in `folder`, on a free port unless one is named. */
  static async start(folder: string, args: string[], port = "0"): Promise<Server> {
    const child = spawn(EARMARK, ["serve", "--no-open", "--port", port, ...args], {
      cwd: folder,
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    const address = await new Promise<string>((found, failed) => {
      child.once("error", failed);
      child.once("exit", () => failed(new Error(`earmark serve ${args.join(" ")} ended:\n${stderr}`)));
      createInterface(child.stdout).once("line", found);
    });
    return new Server(child, address.trim());
  }

  get port(): string {
    return new URL(this.url).port;
  }

  /** Ends it, and waits until it has. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(late);
  }
}
