import { type Locator, type Page } from "@playwright/test";
import { cursor, open } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

/** Presses Tab until this has the focus, and checks that it is seen to have it. */
async function tabTo(page: Page, wanted: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
  const focused = () => wanted.evaluate((element) => element === document.activeElement);
  for (let presses = 0; !(await focused()); presses++) {
    if (presses > 60) throw new Error(`${key} does not lead to ${wanted.toString()}`);
    await page.keyboard.press(key);
  }
  const outline = await wanted.evaluate((element) => getComputedStyle(element).outlineStyle);
  expect(outline, `the focus on ${wanted.toString()} is seen`).not.toBe("none");
}

/** Goes to the next tab of the page by the arrow keys. */
async function nextTab(page: Page, from: string, to: string): Promise<void> {
  await tabTo(page, page.getByRole("tab", { name: from }), "Shift+Tab");
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: to })).toBeFocused();
  await expect(page.getByRole("tabpanel", { name: to })).toBeVisible();
  await expect(page.getByRole("tabpanel", { name: from })).toBeHidden();
}

test("everything can be done by keyboard alone", async ({ page, serve, work }) => {
  const button = (name: string) => page.getByRole("button", { name, exact: true });
  const server = await serve(["--model", "model", "--dataset", "data"]);
  await open(page, server.url);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the sound" })).toBeFocused();

  // A file, played and paused.
  await tabTo(page, button("Choose a file"));
  const chooser = page.waitForEvent("filechooser");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles(work.path("long.wav"));
  await expect(page.locator("#results")).toBeVisible();
  await expect(page.locator("#sound-length")).toHaveText(/^0:12/);
  await tabTo(page, button("Play"));
  await page.keyboard.press("Space");
  await expect(button("Pause")).toBeFocused();
  await expect.poll(() => cursor(page, 12)).toBeGreaterThan(0);
  await page.keyboard.press("Space");
  await expect(button("Play")).toBeVisible();

  // Fewer labels, a region, then windows, one of them chosen, then a download.
  await tabTo(page, page.getByRole("slider", { name: "Shown" }));
  await page.keyboard.press("Home");
  await expect(page.locator("#bars > li")).toHaveCount(1);
  await page.keyboard.press("End");
  await expect(page.locator("#bars > li")).toHaveCount(3);

  await tabTo(page, page.getByLabel("From (seconds)"), "Shift+Tab");
  await page.keyboard.type("4");
  await tabTo(page, page.getByLabel("To (seconds)"));
  await page.keyboard.press("Control+A");
  await page.keyboard.type("8");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Labels from 4.00 to 8.00 s" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByText(/^Region/)).toBeHidden();

  await tabTo(page, page.getByRole("combobox", { name: "Windows" }));
  await page.keyboard.press("ArrowDown");
  await expect(page.locator("#timeline button")).toHaveCount(12);
  await tabTo(page, page.locator("#timeline button").first());
  for (let at = 0; at < 5; at++) await page.keyboard.press("ArrowDown");
  await expect(page.locator("#timeline button").nth(5)).toBeFocused();
  await page.keyboard.press("Enter");
  await expect.poll(() => cursor(page, 12)).toBeCloseTo(5, 1);
  await tabTo(page, button("CSV"));
  const download = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  expect((await download).suggestedFilename()).toBe("long.csv");

  // A recording.
  await tabTo(page, button("Record"), "Shift+Tab");
  await page.keyboard.press("Enter");
  await expect(button("Stop")).toBeFocused();
  await expect(page.getByText("0:01", { exact: true })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.locator("#sound-name")).toHaveText(/^recording/);
  await expect(button("Record")).toBeFocused();

  // The microphone, live.
  await nextTab(page, "Classify", "Live");
  await tabTo(page, button("Start"));
  await page.keyboard.press("Enter");
  await expect(button("Stop")).toBeFocused();
  await expect(page.locator("#live-bars > li")).toHaveCount(3);
  await page.keyboard.press("Enter");
  await expect(button("Start")).toBeVisible();

  // Labels checked by ear.
  await nextTab(page, "Live", "Listen");
  await tabTo(page, button("Shuffle"));
  await page.keyboard.press("Enter");
  await expect(page.locator("#clips > li")).toHaveCount(4);
  await tabTo(page, page.getByRole("checkbox", { name: "Guess first" }));
  await page.keyboard.press("Space");
  const first = page.locator("#clips > li").first();
  await tabTo(page, first.getByRole("combobox", { name: "Your guess" }));
  await page.keyboard.press("ArrowDown");
  await expect(first.locator(".answer")).toBeVisible();
  const label = first.getByRole("combobox", { name: "Label" });
  await tabTo(page, label);
  await page.keyboard.press((await label.inputValue()) === "hum" ? "ArrowUp" : "ArrowDown");
  await expect(page.getByText("1 correction", { exact: true })).toBeVisible();
  await tabTo(page, button("Download metadata.csv"), "Shift+Tab");
  const metadata = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  expect((await metadata).suggestedFilename()).toBe("metadata.csv");
});
