/** The page that `earmark eval -o` writes, opened as the file that it is. */

import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { earmark } from "../support/command.ts";
import type { Work } from "../support/test.ts";
import { expect, test } from "../support/test.ts";

/** Scores the model on clips that are in the folders of other labels, so that nearly all are wrong; gives the page's address. */
function evaluated(work: Work, own: string): string {
  const labels = ["chirp", "hiss", "hum"];
  labels.forEach((label, at) => {
    mkdirSync(join(own, "data"), { recursive: true });
    cpSync(work.path("data", label), join(own, "data", labels[(at + 1) % labels.length] ?? ""), { recursive: true });
  });
  earmark(own, "eval", "--model", work.path("model"), "--data", "data", "--split", "all", "-o", "scores");
  return pathToFileURL(join(own, "scores", "report.html")).href;
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme });

    test("the page of an evaluation needs no network, plays mistakes, and axe-core finds nothing serious", async ({
      page,
      context,
      guard,
      work,
      own,
    }) => {
      const address = evaluated(work, own);
      guard.allow(address);
      await context.setOffline(true);
      await page.goto(address);
      await expect(page.getByRole("heading", { level: 1 })).toContainText("data");
      for (const name of ["Confusion matrix", "Classes", "Wrongly classified clips", "How it was made"]) {
        await expect(page.getByRole("heading", { name, exact: true })).toBeVisible();
      }
      const sound = page.locator("audio").first();
      const played = await sound.evaluate(async (audio: HTMLAudioElement) => {
        await audio.play();
        await new Promise((done) => audio.addEventListener("timeupdate", done, { once: true }));
        return { duration: audio.duration, error: audio.error?.message };
      });
      expect(played.error).toBeUndefined();
      expect(played.duration).toBeGreaterThan(0.1);
      const { violations } = await new AxeBuilder({ page }).options({ preload: { assets: ["media"] } }).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" ")}`)).toEqual([]);
    });
  });
}

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 } });

  test("the page of an evaluation is no wider", async ({ page, guard, work, own }) => {
    const address = evaluated(work, own);
    guard.allow(address);
    await page.goto(address);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  });
});
