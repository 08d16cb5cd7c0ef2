import type { Page } from "@playwright/test";
import { inWindows, open, openLong, tab } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

test.use({ viewport: { width: 390, height: 844 }, hasTouch: true });

async function expectToFit(page: Page): Promise<void> {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBe(390);
}

test("nothing is wider than a phone", async ({ page, serve, work }) => {
  const server = await serve(["--model", "model", "--dataset", "data"]);
  await open(page, server.url);
  await expectToFit(page);
  await page.getByText("About this model").click();
  await openLong(page, work.path("long.wav"));
  await expectToFit(page);
  await inWindows(page);
  await expectToFit(page);
  await tab(page, "Live");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.locator("#live-bars > li")).toHaveCount(3);
  await expectToFit(page);
  await tab(page, "Listen");
  await expect(page.locator("#clips > li")).toHaveCount(4);
  await expectToFit(page);
});
