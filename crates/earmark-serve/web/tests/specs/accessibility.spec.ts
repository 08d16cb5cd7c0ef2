import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { choose, drag, inWindows, open, openLong, tab } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

/** No serious or critical violation, as axe-core judges. */
async function expectAccessible(page: Page, state: string): Promise<void> {
  // Without copies of the styles, which it would put into elements that the page's policy forbids.
  const { violations } = await new AxeBuilder({ page }).options({ preload: { assets: ["media"] } }).analyze();
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  expect.soft(told, state).toEqual([]);
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme });

    test("axe-core finds nothing serious while sounds are classified", async ({ page, serve, guard, work }) => {
      guard.expect(/status of 422/);
      const server = await serve();
      await open(page, server.url);
      await page.getByText("About this model").click();
      await expectAccessible(page, "before a sound is there");
      await openLong(page, work.path("long.wav"));
      await drag(page, 0.4, 0.6);
      await expectAccessible(page, "with labels and a region");
      await inWindows(page);
      await expectAccessible(page, "with windows");
      await choose(page, { name: "notes.wav", mimeType: "audio/wav", buffer: Buffer.from("no sound") });
      await expect(page.getByRole("alert")).toBeVisible();
      await expectAccessible(page, "with an error");
      await page.getByRole("button", { name: "Record" }).click();
      await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
      await expectAccessible(page, "while it records");
    });

    test("axe-core finds nothing serious with labels of one's own", async ({ page, serve }) => {
      const server = await serve(["--model", "clap", "--labels", "dog,rain"]);
      await open(page, server.url, "clap");
      await expectAccessible(page, "with fields for labels and template");
    });

    test("axe-core finds nothing serious while the microphone is open", async ({ page, serve }) => {
      const server = await serve();
      await open(page, server.url);
      await tab(page, "Live");
      await expectAccessible(page, "before the start");
      await page.getByRole("button", { name: "Start" }).click();
      await expect(page.locator("#live-bars > li")).toHaveCount(3);
      await expectAccessible(page, "after the start");
    });

    test("axe-core finds nothing serious where labels are checked by ear", async ({ page, serve }) => {
      const server = await serve(["--model", "model", "--dataset", "data"]);
      await open(page, server.url);
      await tab(page, "Listen");
      await expect(page.locator("#clips > li")).toHaveCount(4);
      await page.locator("#clips > li").first().getByRole("combobox", { name: "Label" }).selectOption({ index: 1 });
      await expectAccessible(page, "with labels shown");
      await page.getByRole("checkbox", { name: "Guess first" }).check();
      await page.locator("#clips > li").first().getByRole("combobox", { name: "Your guess" }).selectOption({ index: 1 });
      await expectAccessible(page, "with guesses");
    });
  });
}
