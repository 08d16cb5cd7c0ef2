import { earmark } from "../support/command.ts";
import { type Classification, bars, choose, expectBars, open, results } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

test("labels and a template that were typed get the scores of the command", async ({ page, serve, work }) => {
  const server = await serve(["--model", "clap", "--labels", "dog,rain"]);
  await open(page, server.url, "clap");
  const labels = page.getByRole("textbox", { name: /^Candidate labels/ });
  const template = page.getByRole("textbox", { name: /^Sentence/ });
  await expect(labels).toHaveValue("dog\nrain");
  await expect(template).toHaveValue("This is a sound of {}.");
  const asks = async (typed: string, sentence: string) => {
    await labels.fill(typed);
    await template.fill(sentence);
    await page.getByRole("button", { name: "Classify", exact: true }).click();
    const args = ["hum.wav", "--model", "clap", "--labels", typed.split("\n").join(","), "--template", sentence, "--top-k", "all"];
    const [wanted] = JSON.parse(earmark(work.folder, "zero-shot", ...args, "--format", "json").stdout) as Classification[];
    await expectBars(bars(page), wanted?.predictions ?? []);
    expect(await results(page)).toEqual([wanted]);
  };
  await choose(page, work.path("hum.wav"));
  await expect(page.locator("#results")).toBeVisible();
  await asks("dog\nrain", "a {}");
  await asks("a train\nthe sea\na door", "This is a sound of {}.");
});

test("a template without a place for the label is refused in a sentence", async ({ page, serve, guard, work }) => {
  guard.expect(/status of 400/);
  const server = await serve(["--model", "clap", "--labels", "dog,rain"]);
  await open(page, server.url, "clap");
  await page.getByRole("textbox", { name: /^Sentence/ }).fill("no place");
  await choose(page, work.path("hum.wav"));
  await expect(page.getByRole("alert")).toContainText("{}");
});
