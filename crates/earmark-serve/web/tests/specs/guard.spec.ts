/** The guard over the page sees what it is there for: otherwise the other tests would prove less than they say. */

import { open } from "../support/page.ts";
import { expect, test } from "../support/test.ts";

test("an error in the console, another origin and a forbidden script are seen", async ({ page, serve, guard }) => {
  for (const kind of [/^console:/, /^uncaught:/, /^request to another origin:/, /^policy:/]) guard.expect(kind);
  const server = await serve();
  await open(page, server.url);
  expect(guard.seen).toEqual([]);
  const sees = (kind: RegExp) => expect.poll(() => guard.seen.some((line) => kind.test(line))).toBe(true);

  await page.evaluate(() => console.error("wrong"));
  await sees(/^console: wrong/);
  await page.evaluate(() => setTimeout(() => (undefined as unknown as { missing: () => void }).missing()));
  await sees(/^uncaught: /);
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
  });
  await sees(/^policy: script-src/);
  expect(await page.evaluate(() => "ran" in window)).toBe(false);
  // Another port is another origin; nothing listens there, and the policy stops the request before it is sent.
  await page.evaluate(() => fetch("http://127.0.0.1:9/").catch(() => undefined));
  await sees(/^policy: connect-src/);
  const other = await page.context().newPage();
  await guard.watch(other);
  await other.goto("http://127.0.0.1:9/").catch(() => undefined);
  await sees(/^request to another origin: http:\/\/127\.0\.0\.1:9/);
});
