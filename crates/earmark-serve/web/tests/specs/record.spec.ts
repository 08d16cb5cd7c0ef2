import { writeFileSync } from "node:fs";
import { expectAsCommand, open } from "../support/page.ts";
import { samplesOf } from "../support/sounds.ts";
import { expect, test } from "../support/test.ts";

test("what the microphone gave gets the labels of the command, and can be recorded again", async ({ page, serve, work }) => {
  // The page gives the recording to its player as a blob: that is where it can be had from.
  await page.addInitScript(() => {
    const sounds: Blob[] = ((window as unknown as { sounds: Blob[] }).sounds = []);
    const original = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob: Blob) => {
      if (blob.type.startsWith("audio/")) sounds.push(blob);
      return original(blob);
    };
  });
  const server = await serve();
  await open(page, server.url);
  for (const seconds of [1, 2]) {
    await page.getByRole("button", { name: "Record" }).click();
    const level = page.getByRole("meter", { name: "Input level" });
    await expect.poll(() => level.evaluate((meter) => (meter as HTMLMeterElement).value)).toBeGreaterThan(0.2);
    await expect(page.getByText(`0:0${seconds}`, { exact: true })).toBeVisible();
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.locator("#results")).toBeVisible();
    await expect(page.locator("#sound-name")).toHaveText(/^recording .*\.wav$/);
    const file = (await page.locator("#sound-name").textContent()) ?? "";
    const address = await page.evaluate(() => {
      const { sounds } = window as unknown as { sounds: Blob[] };
      const reader = new FileReader();
      reader.readAsDataURL(sounds.at(-1) as Blob);
      return new Promise<string>((done) => (reader.onload = () => done(reader.result as string)));
    });
    const bytes = Buffer.from(address.split(",")[1] ?? "", "base64");
    const samples = samplesOf(bytes);
    // The microphone's own.
    const rate = bytes.readUInt32LE(24);
    expect(samples.length).toBeGreaterThanOrEqual(rate * seconds);
    expect(Math.max(...samples.subarray(-rate / 2)), "the last half second is not silent").toBeGreaterThan(300);
    writeFileSync(work.path(file), bytes);
    await expectAsCommand(page, work.folder, file);
  }
});

test("a recording that is discarded is not classified", async ({ page, serve }) => {
  const server = await serve();
  await open(page, server.url);
  await page.getByRole("button", { name: "Record" }).click();
  await page.getByRole("button", { name: "Discard" }).click();
  await expect(page.getByRole("button", { name: "Record" })).toBeVisible();
  await expect(page.locator("#player")).toBeHidden();
  await expect(page.locator("#results")).toBeHidden();
});
