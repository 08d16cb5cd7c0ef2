import { bars, classified, drag, expectBars, open, openLong, results } from "../support/page.ts";
import { RATE, recording, writeWav } from "../support/sounds.ts";
import { expect, test } from "../support/test.ts";

test("a region that was typed is classified by Enter", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  await openLong(page, work.path("long.wav"));
  await page.getByLabel("From (seconds)").fill("4.5");
  await page.getByLabel("To (seconds)").fill("7");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Labels from 4.50 to 7.00 s" })).toBeVisible();
  const [region] = await results(page);
  expect([region?.start, region?.end]).toEqual([4.5, 7]);
  await page.getByRole("button", { name: "Clear" }).click();
  await expect(page.getByLabel("From (seconds)")).toHaveValue("");
});

test("Enter classifies the region that was dragged, and nothing but the region", async ({ page, serve, work }) => {
  const whole = recording(["hum", 4], ["chirp", 4], ["hiss", 4]);
  const server = await serve();
  await open(page, server.url);
  await openLong(page, work.path("long.wav"));

  await drag(page, 0.4, 0.6);
  await expect(page.getByText(/^Region [\d.]+ to [\d.]+ s$/)).toBeVisible();
  // The region shows while it is drawn; until it is, Enter is for the button that had the focus.
  await expect(page.getByRole("button", { name: "Classify region" })).toBeFocused();
  const answered = page.waitForResponse(/api\/classify/);
  await page.keyboard.press("Enter");
  await answered;
  await expect(page.getByRole("heading", { name: /^Labels from/ })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByText(/^Region/)).toBeHidden();

  const [region] = await results(page);
  const [start, end] = [region?.start ?? 0, region?.end ?? 0];
  expect(start).toBeGreaterThan(4.3);
  expect(start).toBeLessThan(5.3);
  expect(end).toBeGreaterThan(6.7);
  expect(end).toBeLessThan(7.7);
  writeWav(work.path("region.wav"), whole.slice(Math.round(start * RATE), Math.round(end * RATE)));
  const [wanted] = classified(work.folder, "region.wav", "--top-k", "all");
  expect(region?.predictions).toEqual(wanted?.predictions);
  await expectBars(bars(page), wanted?.predictions ?? []);

  await page.getByRole("button", { name: "Classify", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Labels", exact: true })).toBeVisible();
  expect((await results(page))[0]?.predictions).toEqual(classified(work.folder, "long.wav", "--top-k", "all")[0]?.predictions);
});
