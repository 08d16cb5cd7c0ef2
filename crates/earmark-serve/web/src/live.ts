/** The tab that classifies the microphone window by window. */

import * as api from "./api";
import * as bars from "./bars";
import { byId, make, reason, show, tell } from "./dom";
import * as microphone from "./microphone";
import { clock, percent } from "./numbers";

/** Labels that have a bar. */
const SHOWN = 5;
/** Changes that are kept in the log. */
const KEPT = 200;
/** Pauses before a lost connection is tried again, in milliseconds. */
const PAUSES = [500, 1000, 2000, 4000];

export function start(labelling: () => api.Question): void {
  let open: microphone.Microphone | undefined;
  let socket: WebSocket | undefined;
  let began = 0;
  let before = "";
  /** Attempts since the last answer. */
  let attempts = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const status = (text: string) => tell(byId("live-status"), text);
  const fail = (text: string) => {
    tell(byId("live-error"), text);
    show(byId("live-error"), text !== "");
  };

  function running(on: boolean): void {
    show(byId("live-start"), !on);
    show(byId("live-stop"), on);
    byId("panel-live").classList.toggle("running", on);
    byId("tab-live").classList.toggle("running", on);
  }

  function stop(): void {
    const closing = socket;
    open?.stop();
    clearTimeout(retry);
    [open, socket, before] = [undefined, undefined, ""];
    closing?.close();
    running(false);
    byId<HTMLMeterElement>("live-level").value = 0;
    status("");
  }

  function answered(row: api.Classification, offset: number): void {
    attempts = 0;
    fail("");
    status("Listening …");
    bars.draw(byId("live-bars"), row.predictions, SHOWN);
    const best = row.predictions[0];
    if (best === undefined || best.label === before) return;
    before = best.label;
    const score = best.score >= 0 && best.score <= 1 ? percent(best.score) : best.score.toFixed(3);
    const time = make("time", { class: "time", title: new Date().toLocaleTimeString() }, clock(offset + (row.start ?? 0)));
    byId("live-log").prepend(make("li", {}, time, " ", best.label, " ", make("span", { class: "score dim" }, score)));
    while (byId("live-log").children.length > KEPT) byId("live-log").lastElementChild?.remove();
  }

  function connect(rate: number): void {
    const window = Number(byId<HTMLSelectElement>("live-window").value);
    const mine = new WebSocket(api.liveAddress(window, rate, labelling()));
    let offset = 0;
    mine.binaryType = "arraybuffer";
    mine.onopen = () => (offset = (performance.now() - began) / 1000);
    mine.onmessage = (event: MessageEvent<string>) => {
      if (socket !== mine) return;
      const answer = JSON.parse(event.data) as api.Row;
      if (api.isFailure(answer)) fail(answer.error);
      else answered(answer, offset);
    };
    mine.onclose = () => {
      if (socket === mine) void lost(rate);
    };
    socket = mine;
  }

  /** Tries again for a while, with the microphone open. */
  async function lost(rate: number): Promise<void> {
    const pause = PAUSES[attempts++];
    if (pause !== undefined) {
      status("");
      fail("The connection to the server is lost. Trying again …");
      retry = setTimeout(() => connect(rate), pause);
      return;
    }
    stop();
    const isReachable = await api.isReachable();
    fail(isReachable
      ? "The server does not take the microphone: as many may be open as it takes. Try again later."
      : "The server does not answer. It may have been stopped: try again when it is running.");
  }

  async function begin(): Promise<void> {
    fail("");
    byId<HTMLButtonElement>("live-start").disabled = true;
    try {
      open = await microphone.open((_, samples) => {
        byId<HTMLMeterElement>("live-level").value = microphone.level(samples);
        if (socket?.readyState === WebSocket.OPEN) socket.send(samples as Float32Array<ArrayBuffer>);
      });
    } catch (error) {
      return fail(reason(error));
    } finally {
      byId<HTMLButtonElement>("live-start").disabled = false;
    }
    byId("live-log").replaceChildren();
    byId("live-bars").replaceChildren();
    [began, attempts] = [performance.now(), 0];
    status("Connecting …");
    running(true);
    byId("live-stop").focus();
    connect(open.rate);
  }

  byId("live-start").addEventListener("click", () => void begin());
  byId("live-stop").addEventListener("click", () => {
    stop();
    byId("live-start").focus();
  });
  for (const id of ["live-window", "candidate-labels", "template"]) {
    byId(id).addEventListener("change", () => {
      const closing = socket;
      if (!open || !closing) return;
      connect(open.rate);
      closing.close();
    });
  }
}
