import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { choose, expectAsCommand, open } from "../support/page.ts";
import { SOUNDS } from "../support/places.ts";
import { caf, clip } from "../support/sounds.ts";
import { expect, test } from "../support/test.ts";

test("a WAV file gets the labels of the command", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  await choose(page, work.path("hum.wav"));
  await expectAsCommand(page, work.folder, "hum.wav");
});

for (const [format, file] of [
  ["mp3", "lame.mp3"],
  ["ogg", "vorbis.ogg"],
  ["opus in webm", "opus.webm"],
  ["opus in webm, as MediaRecorder streams it", "opus_live.webm"],
] as const) {
  test(`a file of ${format} gets the labels of the command`, async ({ page, serve, work }) => {
    copyFileSync(join(SOUNDS, file), work.path(file));
    const server = await serve();
    await open(page, server.url);
    await choose(page, work.path(file));
    await expect(page.getByText(file, { exact: true })).toBeVisible();
    await expectAsCommand(page, work.folder, file);
  });
}

test("a file that the browser cannot play is decoded by the server, and has a waveform", async ({ page, serve, work }) => {
  writeFileSync(work.path("hum.caf"), caf(clip("hum")));
  const server = await serve();
  await open(page, server.url);
  const decoded = page.waitForResponse(/api\/decode/);
  await choose(page, work.path("hum.caf"));
  expect((await decoded).status()).toBe(200);
  await expect(page.locator("#sound-length")).toHaveText(/^0:0\d$/);
  await expect(page.locator("#wave [part~=cursor]")).toBeAttached();
  await expect(page.getByText("There is no waveform")).toBeHidden();
  await expectAsCommand(page, work.folder, "hum.caf");
});

test("what this browser's MediaRecorder makes gets the labels of the command", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  const recorded = await page.evaluate(async () => {
    const context = new AudioContext({ sampleRate: 48_000 });
    await context.resume();
    const [tone, target] = [new OscillatorNode(context, { frequency: 300 }), context.createMediaStreamDestination()];
    tone.connect(target);
    tone.start();
    const recorder = new MediaRecorder(target.stream, { mimeType: "audio/webm;codecs=opus" });
    const parts: Blob[] = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    const stopped = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    await new Promise((done) => setTimeout(done, 1000));
    recorder.stop();
    await stopped;
    await context.close();
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  const file = "recorder.webm";
  writeFileSync(work.path(file), Buffer.from(recorded));
  await choose(page, work.path(file));
  await expectAsCommand(page, work.folder, file);
});

test("a sound that is dropped gets the labels of the command", async ({ page, serve, work }) => {
  const server = await serve();
  await open(page, server.url);
  const bytes = [...readFileSync(work.path("hum.wav"))];
  const transfer = await page.evaluateHandle((bytes) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], "hum.wav", { type: "audio/wav" }));
    return transfer;
  }, bytes);
  for (const kind of ["dragenter", "dragover", "drop"]) await page.dispatchEvent("#drop", kind, { dataTransfer: transfer });
  await expectAsCommand(page, work.folder, "hum.wav");
});
