import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "specs",
  outputDir: join(tmpdir(), `earmark-page-tests-${process.getuid?.() ?? "all"}`),
  forbidOnly: true,
  // One at a time: two browsers on two cores would only wait for each other.
  workers: 1,
  // Generous, for a machine that has other work; what a test waits for comes as soon as it can.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [["list"]],
  use: {
    permissions: ["microphone"],
    trace: "off",
  },
});
