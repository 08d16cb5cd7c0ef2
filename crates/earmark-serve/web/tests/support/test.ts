/** `test` with a folder of models and sounds, servers that end with the test, and a guard over the page. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, expect } from "@playwright/test";
import { Server } from "./command.ts";
import { Guard } from "./guard.ts";
import { CHROMIUM, GOLDEN } from "./places.ts";
import { recording, writeWav } from "./sounds.ts";

/** A folder with
 * - `model`, a small HuBERT that was trained to tell chirp, hiss and hum, and `clap`, a small CLAP without training,
 * - `data`, the clips of the former: a sub-folder for each label,
 * - `hum.wav`, half a second, and `long.wav`, twelve seconds of all three,
 * - `microphone.wav`, what the browser's microphone gives over and over. */
export interface Work {
  folder: string;
  path(...names: string[]): string;
}

function fill(folder: string): void {
  const golden = (...names: string[]) => join(GOLDEN, ...names);
  cpSync(golden("train", "init"), join(folder, "model"), { recursive: true });
  cpSync(golden("train", "last.safetensors"), join(folder, "model", "model.safetensors"));
  cpSync(golden("train", "data"), join(folder, "data"), { recursive: true });
  cpSync(golden("clap", "unfused"), join(folder, "clap"), { recursive: true });
  const extractor = {
    feature_extractor_type: "ClapFeatureExtractor",
    feature_size: 8,
    hop_length: 3200,
    max_length_s: 1,
    truncation: "rand_trunc",
    sampling_rate: 48_000,
  };
  writeFileSync(join(folder, "clap", "preprocessor_config.json"), JSON.stringify(extractor));
  writeWav(join(folder, "hum.wav"), recording(["hum", 0.5]));
  writeWav(join(folder, "long.wav"), recording(["hum", 4], ["chirp", 4], ["hiss", 4]));
  writeWav(join(folder, "microphone.wav"), recording(["hum", 3], ["chirp", 3]));
}

interface TestFixtures {
  guard: Guard;
  /** Starts `earmark serve ARGS` in the folder of the tests; it ends with the test. */
  serve: (args?: string[], port?: string) => Promise<Server>;
  /** A folder of this test alone, inside the folder of the tests. */
  own: string;
}

interface WorkerFixtures {
  work: Work;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  work: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), "earmark-page-"));
      fill(folder);
      await use({ folder, path: (...names) => join(folder, ...names) });
      rmSync(folder, { recursive: true, force: true });
    },
    { scope: "worker" },
  ],
  launchOptions: [
    async ({ work }, use) => {
      const microphone = ["--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${work.path("microphone.wav")}`];
      await use({ executablePath: CHROMIUM, args: [...microphone, "--mute-audio"] });
    },
    { scope: "worker" },
  ],
  guard: [
    async ({ page }, use) => {
      // Playwright intercepts file choosers while somebody listens; what begins with a test may begin too late for its first key.
      page.on("filechooser", () => undefined);
      const guard = new Guard();
      await guard.watch(page);
      await use(guard);
      expect(guard.problems, "what the page must not cause").toEqual([]);
    },
    { auto: true },
  ],
  serve: async ({ guard, work }, use) => {
    const servers: Server[] = [];
    await use(async (args = ["--model", "model"], port = "0") => {
      const server = await Server.start(work.folder, args, port);
      servers.push(server);
      guard.allow(server.url);
      return server;
    });
    for (const server of servers) await server.stop();
  },
  own: async ({ work }, use) => {
    const folder = work.path(`own-${readdirSync(work.folder).length}`);
    mkdirSync(folder);
    await use(folder);
  },
});

export { expect };
