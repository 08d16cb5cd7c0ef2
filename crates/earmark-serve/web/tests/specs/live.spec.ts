import { open, tab } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

test("the microphone moves the bars, and changes are logged with their times", async ({ page, serve }) => {
  const server = await serve();
  await open(page, server.url);
  await tab(page, "Live");
  await page.getByRole("button", { name: "Start" }).click();
  const [now, log] = [page.locator("#live-bars > li"), page.locator("#live-log > li")];
  await expect(now).toHaveCount(3);
  const level = page.getByRole("meter", { name: "Input level" });
  await expect.poll(() => level.evaluate((meter) => (meter as HTMLMeterElement).value)).toBeGreaterThan(0.2);
  const scores = await now.locator(".score").allTextContents();
  await expect.poll(() => now.locator(".score").allTextContents()).not.toEqual(scores);
  // Three seconds of hum, three of chirp, over and over.
  await expect.poll(() => log.count()).toBeGreaterThan(1);
  const entries = await log.allTextContents();
  for (const entry of entries) expect(entry).toMatch(/^\d+:\d\d (chirp|hiss|hum) \d+\.\d %$/);
  const labels = entries.map((entry) => entry.split(" ")[1]);
  labels.slice(1).forEach((label, at) => expect(label).not.toBe(labels[at]));

  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByRole("button", { name: "Start" })).toBeVisible();
  await expect(page.getByRole("alert")).toBeHidden();
});

test("a server that ends while the microphone is open is said, and the microphone is closed", async ({ page, serve, guard }) => {
  guard.expect(/ERR_CONNECTION_REFUSED/);
  const server = await serve();
  await open(page, server.url);
  await tab(page, "Live");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.locator("#live-bars > li")).toHaveCount(3);
  await server.stop();
  await expect(page.getByRole("alert")).toContainText("server");
  // It tries again for a while, and closes the microphone then.
  await expect(page.getByRole("button", { name: "Start" })).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("server does not answer");
  await serve(["--model", "model"], server.port);
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("alert")).toBeHidden();
  await expect.poll(() => page.locator("#live-log > li").count()).toBeGreaterThan(0);
  await page.getByRole("button", { name: "Stop" }).click();
});
