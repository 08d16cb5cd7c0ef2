import { readFileSync, realpathSync } from "node:fs";
import type { Page } from "@playwright/test";
import { earmark } from "../support/command.ts";
import { classified, cursor, download, downloadButton, inWindows, open, openLong } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

const windows = (page: Page) => page.locator("#timeline button");

test("a long clip is a timeline of windows, those of the command", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  await openLong(page, work.path("long.wav"));
  await inWindows(page);
  const wanted = classified(work.folder, "long.wav", "--window", "1s");
  const labels = wanted.map(({ predictions }) => predictions[0]?.label ?? "");
  expect(new Set(labels).size, "the sound is not the same all along").toBeGreaterThan(1);
  await expect(windows(page).locator(".label")).toHaveText(labels);
  await expect(windows(page).locator(".time").nth(3)).toHaveText("0:03 – 0:04");
});

test("a click on a window puts the cursor there", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  await openLong(page, work.path("long.wav"));
  await inWindows(page);
  for (const second of [7, 2]) {
    await windows(page).nth(second).click();
    await expect.poll(() => cursor(page, 12)).toBeCloseTo(second, 1);
  }
});

test("the threshold hides windows below it", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  await openLong(page, work.path("long.wav"));
  await inWindows(page);
  const scores = classified(work.folder, "long.wav", "--window", "1s").map(({ predictions }) => predictions[0]?.score ?? 0);
  const threshold = page.getByRole("slider", { name: "Threshold" });
  for (const value of [0.42, 0.45]) {
    await threshold.fill(String(value));
    const kept = scores.filter((score) => score >= value).length;
    expect(kept, "the threshold tells windows apart").toBeLessThan(12);
    await expect(windows(page)).toHaveCount(kept);
  }
  await threshold.fill("1");
  await expect(page.getByText("No window has a score above the threshold")).toBeVisible();
});

test("the downloads are the files of the command", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  await openLong(page, work.path("long.wav"));
  await inWindows(page);
  const wanted = (format: string, ...args: string[]) => {
    earmark(work.folder, "classify", "long.wav", "--model", "model", "--window", "1s", "--format", format, "-o", "wanted", "--force", ...args);
    // The page does not know in which folder the file is.
    return readFileSync(work.path("wanted"), "utf8").replaceAll(`${realpathSync(work.folder)}/`, "");
  };
  for (const threshold of ["0", "0.42"]) {
    await page.getByRole("slider", { name: "Threshold" }).fill(threshold);
    const args = threshold === "0" ? [] : ["--threshold", threshold];
    for (const [button, format, name] of [
      ["CSV", "csv", "long.csv"],
      ["JSON", "json", "long.json"],
      ["Audacity", "audacity", "long.txt"],
      ["Raven", "raven", "long.selections.txt"],
    ] as const) {
      const file = await download(page, downloadButton(page, button));
      expect(file.name).toBe(name);
      expect(file.text, `${format}, ${threshold}`).toBe(wanted(format, ...args));
    }
  }
});
