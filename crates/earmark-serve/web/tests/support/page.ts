/** What the tests do and read on the page, by roles and names where there are some. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Locator, type Page, expect } from "@playwright/test";
import { earmark } from "./command.ts";

export interface Prediction {
  label: string;
  score: number;
}

/** The object of `earmark classify --format json`. */
export interface Classification {
  path: string;
  duration: number;
  start?: number;
  end?: number;
  predictions: Prediction[];
}

/** Opens the page and waits until it knows the model. */
export async function open(page: Page, url: string, model = "model"): Promise<void> {
  await page.goto(url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(model);
}

/** Chooses a file as a person does, by the button. */
export async function choose(page: Page, file: string | { name: string; mimeType: string; buffer: Buffer }): Promise<void> {
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose a file" }).click();
  await (await chooser).setFiles(file);
}

/** The labels with their scores, in the order of the page. */
export function bars(page: Page): Locator {
  return page.locator("#bars > li");
}

/** Checks that the bars are the first of these predictions. */
export async function expectBars(list: Locator, predictions: Prediction[]): Promise<void> {
  await expect(list.locator(".label")).toHaveText(predictions.map(({ label }) => label));
  await expect(list.locator(".score")).toHaveText(predictions.map(({ score }) => `${(100 * score).toFixed(1)} %`));
}

/** Clicks something that downloads a file; gives its name and its text. */
export async function download(page: Page, button: Locator): Promise<{ name: string; text: string }> {
  const started = page.waitForEvent("download");
  await button.click();
  const file = await started;
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
}

export function downloadButton(page: Page, format: string): Locator {
  return page.locator("#downloads").getByRole("button", { name: format, exact: true });
}

/** Results as they are downloaded in JSON. */
export async function results(page: Page): Promise<Classification[]> {
  const rows = JSON.parse((await download(page, downloadButton(page, "JSON"))).text) as Classification | Classification[];
  return Array.isArray(rows) ? rows : [rows];
}

/** What `earmark classify` answers for a file of `folder`. */
export function classified(folder: string, file: string, ...args: string[]): Classification[] {
  return JSON.parse(earmark(folder, "classify", file, "--model", "model", "--format", "json", ...args).stdout) as Classification[];
}

/** Checks that the page shows, and gives to download, what `earmark classify` answers for this file of `folder`. */
export async function expectAsCommand(page: Page, folder: string, file: string): Promise<void> {
  const [wanted] = classified(folder, file, "--top-k", "all");
  if (wanted === undefined) throw new Error(`earmark classify ${file} gave no row`);
  await expect(page.getByRole("status").filter({ hasText: wanted.predictions[0]?.label ?? "" }).first()).toBeVisible();
  await expectBars(bars(page), wanted.predictions);
  expect(await results(page)).toEqual([{ ...wanted, path: basename(file) }]);
}

/** Opens a sound of twelve seconds, and waits until its labels and its waveform are there. */
export async function openLong(page: Page, file: string): Promise<void> {
  await choose(page, file);
  await expect(page.locator("#results")).toBeVisible();
  await expect(page.locator("#sound-length")).toHaveText(/^0:12/);
}

/** Chooses windows of a second, and waits for those of twelve. */
export async function inWindows(page: Page): Promise<void> {
  await page.getByRole("combobox", { name: "Windows" }).selectOption({ label: "1 s" });
  await expect(page.locator("#timeline button")).toHaveCount(12);
}

/** Goes to a tab. */
export async function tab(page: Page, name: string): Promise<void> {
  await page.getByRole("tab", { name }).click();
  await expect(page.getByRole("tabpanel", { name })).toBeVisible();
}

/** Seconds at which the cursor stands, of so many that the sound has. */
export async function cursor(page: Page, length: number): Promise<number> {
  const left = await page.locator("#wave [part~=cursor]").evaluate((cursor) => (cursor as HTMLElement).style.left);
  return (length * parseFloat(left)) / 100;
}

/** Drags over the waveform from one share of its width to another. */
export async function drag(page: Page, from: number, to: number): Promise<void> {
  const box = await page.locator("#wave [part~=wrapper]").boundingBox();
  if (box === null) throw new Error("there is no waveform");
  const y = box.y + 40;
  await page.mouse.move(box.x + from * box.width, y);
  await page.mouse.down();
  await page.mouse.move(box.x + ((from + to) / 2) * box.width, y, { steps: 5 });
  await page.mouse.move(box.x + to * box.width, y, { steps: 5 });
  await page.mouse.up();
}
