import { choose, expectAsCommand, open, tab } from "../support/page.ts";
import { clip, recording, wav } from "../support/sounds.ts";
import { expect, test } from "../support/test.ts";

const file = (name: string, buffer: Buffer) => ({ name, mimeType: "audio/wav", buffer });

test("what is not a sound is refused in a sentence, and the next file is classified", async ({ page, serve, guard, work }) => {
  guard.expect(/status of 422/);
  const server = await serve();
  await open(page, server.url);
  await choose(page, file("notes.wav", Buffer.from("shopping: bread, milk")));
  await expect(page.getByRole("alert")).toContainText("notes.wav");
  await expect(page.locator("#results")).toBeHidden();
  await choose(page, work.path("hum.wav"));
  await expect(page.getByRole("alert")).toBeHidden();
  await expectAsCommand(page, work.folder, "hum.wav");
});

test("a file that is too large is refused before it is sent", async ({ page, serve }) => {
  const server = await serve(["--model", "model", "--max-size", "1"]);
  await open(page, server.url);
  let sent = false;
  page.on("request", (request) => (sent ||= request.method() === "POST"));
  await choose(page, file("large.wav", wav(new Int16Array(600_000))));
  await expect(page.getByRole("alert")).toContainText(/takes .*1 MB/);
  expect(sent).toBe(false);
});

test("a sound that is too short or too long is refused in a sentence", async ({ page, serve, guard }) => {
  guard.expect(/status of 422/);
  const server = await serve(["--model", "model", "--max-duration", "2s"]);
  await open(page, server.url);
  await choose(page, file("short.wav", wav(clip("hum").slice(0, 100))));
  await expect(page.getByRole("alert")).toContainText("short");
  await choose(page, file("long.wav", wav(recording(["hum", 3]))));
  await expect(page.getByRole("alert")).toContainText(/2 ?s/);
});

test("the page works again without a reload when its server is back", async ({ page, serve, guard, work }) => {
  guard.expect(/ERR_CONNECTION_REFUSED/);
  const server = await serve();
  await open(page, server.url);
  await choose(page, work.path("hum.wav"));
  await expectAsCommand(page, work.folder, "hum.wav");
  await server.stop();
  const again = page.getByRole("button", { name: "Classify", exact: true });
  await again.click();
  await expect(page.getByRole("alert")).toContainText("server does not answer");
  await serve(["--model", "model"], server.port);
  await again.click();
  await expect(page.getByRole("alert")).toBeHidden();
  await expectAsCommand(page, work.folder, "hum.wav");
  await choose(page, work.path("long.wav"));
  await expectAsCommand(page, work.folder, "long.wav");
});

test.describe("without leave to use the microphone", () => {
  test.use({ permissions: [] });

  test("the page says how to give it", async ({ page, context, serve }) => {
    const server = await serve();
    await context.grantPermissions([], { origin: server.url });
    await open(page, server.url);
    await page.getByRole("button", { name: "Record" }).click();
    await expect(page.getByRole("alert")).toContainText("allow it");
    await tab(page, "Live");
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByRole("alert")).toContainText("allow it");
    await expect(page.getByRole("button", { name: "Start" })).toBeVisible();
  });
});
