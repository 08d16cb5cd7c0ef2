/** What no test may cause: an error in the console, a request to another origin, something the page's policy forbids. */

import type { ConsoleMessage, Page, Request, WebSocket } from "@playwright/test";

export class Guard {
  /** All that was seen, expected or not. */
  readonly seen: string[] = [];
  private readonly expected: RegExp[] = [];
  private readonly hosts = new Set<string>();

  /** Watches a page from before it is opened. */
  async watch(page: Page): Promise<void> {
    page.on("console", (message: ConsoleMessage) => {
      if (["error", "warning"].includes(message.type())) this.seen.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error: Error) => this.seen.push(`uncaught: ${error.message}`));
    page.on("crash", () => this.seen.push("the page crashed"));
    page.on("request", (request: Request) => this.reached(request.url()));
    page.on("websocket", (socket: WebSocket) => this.reached(socket.url()));
    await page.exposeFunction("__forbidden", (what: string) => this.seen.push(`policy: ${what}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        const tell = (window as unknown as { __forbidden: (what: string) => void }).__forbidden;
        tell(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
  }

  /** Requests to this server are fine. */
  allow(server: string): void {
    this.hosts.add(new URL(server).host);
  }

  /** A line that this test causes on purpose. The browser itself writes one for each answer that is a refusal. */
  expect(line: RegExp): void {
    this.expected.push(line);
  }

  /** What was seen and not expected. */
  get problems(): string[] {
    return this.seen.filter((line) => !this.expected.some((expected) => expected.test(line)));
  }

  private reached(address: string): void {
    const { protocol, host } = new URL(address);
    if (["data:", "blob:", "about:"].includes(protocol) || this.hosts.has(host)) return;
    this.seen.push(`request to another origin: ${address}`);
  }
}
