import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import { earmark } from "../support/command.ts";
import { download, open, tab } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

const WITH_CLIPS = ["--model", "model", "--dataset", "data"];
const cards = (page: Page) => page.locator("#clips > li");
const names = (page: Page) => page.locator("#clips .name").allTextContents();

/** The label that a card has, by the folder of its clip. */
const folderOf = (name: string | null) => (name ?? "").split("/")[0] ?? "";

test("four clips at a time are there to be heard, others after a shuffle", async ({ page, serve }) => {
  const server = await serve(WITH_CLIPS);
  await open(page, server.url);
  await tab(page, "Listen");
  await expect(cards(page)).toHaveCount(4);
  const sound = cards(page).first().locator("audio");
  const seconds = await sound.evaluate(async (audio) => {
    const element = audio as HTMLAudioElement;
    await element.play();
    return element.duration;
  });
  expect(seconds).toBeGreaterThan(0.2);
  expect(seconds).toBeLessThan(0.6);

  const before = await names(page);
  const changed = async () => {
    await page.getByRole("button", { name: "Shuffle" }).click();
    return (await names(page)).join() !== before.join();
  };
  await expect.poll(changed).toBe(true);
  await expect(cards(page)).toHaveCount(4);
});

test("the filter shows clips of one label", async ({ page, serve }) => {
  const server = await serve(WITH_CLIPS);
  await open(page, server.url);
  await tab(page, "Listen");
  await page.locator("#listen-label").selectOption("hiss");
  await expect(cards(page)).toHaveCount(4);
  for (const name of await names(page)) expect(folderOf(name)).toBe("hiss");
});

test("the label shows itself after the guess", async ({ page, serve }) => {
  const server = await serve(WITH_CLIPS);
  await open(page, server.url);
  await tab(page, "Listen");
  await page.locator("#listen-label").selectOption("hum");
  await page.getByRole("checkbox", { name: "Guess first" }).check();
  await expect(cards(page)).toHaveCount(4);
  await expect(page.locator("#clips .answer")).toHaveCount(0);
  await expect(page.locator("#clips .name")).toHaveCount(0);
  const guess = (card: Locator, label: string) => card.getByRole("combobox", { name: "Your guess" }).selectOption(label);
  await guess(cards(page).nth(0), "hum");
  await expect(cards(page).nth(0)).toContainText("hum: right");
  await guess(cards(page).nth(1), "chirp");
  await expect(cards(page).nth(1)).toContainText("chirp: wrong");
  await expect(cards(page).nth(1).locator(".answer")).toHaveText("hum");
  await expect(page.locator("#clips .answer")).toHaveCount(2);
});

test("labels that were corrected outlast a shuffle, a filter and a reload, and train reads them", async ({ page, serve, own, work }) => {
  const server = await serve(WITH_CLIPS);
  await open(page, server.url);
  await tab(page, "Listen");
  const filter = page.locator("#listen-label");
  await filter.selectOption("hiss");
  await expect(cards(page)).toHaveCount(4);
  const corrected = (await cards(page).first().locator(".name").textContent()) ?? "";
  await cards(page).first().getByRole("combobox", { name: "Label" }).selectOption("hum");
  await expect(page.getByText("1 correction", { exact: true })).toBeVisible();
  await expect(cards(page).first().locator(".answer")).toHaveText("hiss → hum");
  const second = (await cards(page).nth(1).locator(".name").textContent()) ?? "";
  await cards(page).nth(1).getByRole("combobox", { name: "Label" }).selectOption("chirp");
  await expect(page.getByText("2 corrections", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Shuffle" }).click();
  await expect(cards(page)).toHaveCount(4);
  for (const name of await names(page)) expect([corrected, second]).not.toContain(name);
  await filter.selectOption("");
  // A page that warns before corrections are lost asks here.
  page.once("dialog", (dialog) => void dialog.accept());
  await page.reload();
  await tab(page, "Listen");
  await expect(page.getByText("2 corrections", { exact: true })).toBeVisible();

  const { name, text } = await download(page, page.getByRole("button", { name: "Download metadata.csv" }));
  expect(name).toBe("metadata.csv");
  const data = join(own, "data");
  cpSync(work.path("data"), data, { recursive: true });
  writeFileSync(join(data, "metadata.csv"), text);
  const { stderr } = earmark(own, "train", "--dry-run", "--data", "data", "--model", work.path("model"), "--output", "run");
  expect(stderr).toContain("3 classes");
  const split = JSON.parse(readFileSync(join(own, "run", "split.json"), "utf8")) as { train: string[]; test: string[] };
  expect(split.train.length + split.test.length).toBe(24);

  earmark(own, "data", "stats", "data", "-o", "clips.csv");
  const [head = "", ...lines] = readFileSync(join(own, "clips.csv"), "utf8").trim().split("\n");
  const [at, label] = [head.split(",").indexOf("name"), head.split(",").indexOf("label")];
  const labels = Object.fromEntries(lines.map((line) => [line.split(",")[at], line.split(",")[label]]));
  const expected = Object.fromEntries(Object.keys(labels).map((name) => [name, folderOf(name)]));
  expect(labels).toEqual({ ...expected, [corrected]: "hum", [second]: "chirp" });
});

test("a correction that is taken back is none", async ({ page, serve }) => {
  const server = await serve(WITH_CLIPS);
  await open(page, server.url);
  await tab(page, "Listen");
  const choice = cards(page).first().getByRole("combobox", { name: "Label" });
  const before = await choice.inputValue();
  await choice.selectOption(before === "hum" ? "hiss" : "hum");
  await expect(page.getByRole("button", { name: "Download metadata.csv" })).toBeVisible();
  await choice.selectOption(before);
  await expect(page.getByRole("button", { name: "Download metadata.csv" })).toBeHidden();
});
