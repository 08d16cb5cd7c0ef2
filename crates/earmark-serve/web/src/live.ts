/** The tab that classifies the microphone window by window. */

import * as api from "./api";
import * as bars from "./bars";
import { byId, clock, make, show } from "./dom";
import * as microphone from "./microphone";

/** Changes that are kept in the log. */
const KEPT = 200;

export function start(model: api.Model, asked: () => api.Question): void {
  let open: microphone.Microphone | undefined;
  let socket: WebSocket | undefined;
  let before = "";

  const fail = (text: string) => {
    byId("live-error").textContent = text;
    show(byId("live-error"), text !== "");
  };

  function stop(): void {
    open?.stop();
    socket?.close();
    [open, socket, before] = [undefined, undefined, ""];
    show(byId("live-start"), true);
    show(byId("live-stop"), false);
    byId<HTMLMeterElement>("live-level").value = 0;
    byId("live-status").textContent = "";
  }

  function answered(row: api.Classification): void {
    bars.draw(byId("live-bars"), row.predictions, 5);
    const best = row.predictions[0];
    if (best === undefined || best.label === before) return;
    before = best.label;
    const time = clock(row.start ?? 0);
    byId("live-log").prepend(make("li", {}, make("span", { class: "time" }, time), ` ${best.label} `, make("span", { class: "score" }, best.score.toFixed(3))));
    while (byId("live-log").children.length > KEPT) byId("live-log").lastElementChild?.remove();
  }

  async function begin(): Promise<void> {
    fail("");
    const window = Number(byId<HTMLSelectElement>("live-window").value);
    const mine = new WebSocket(api.liveAddress(window, asked()));
    mine.binaryType = "arraybuffer";
    mine.onmessage = (event: MessageEvent<string>) => {
      const answer = JSON.parse(event.data) as api.Classification | { error: string };
      if ("error" in answer) {
        fail(answer.error);
        stop();
      } else answered(answer);
    };
    mine.onclose = () => {
      if (socket !== mine) return;
      fail("The server ended the connection.");
      stop();
    };
    socket = mine;
    try {
      open = await microphone.open(model.sampling_rate, (samples) => {
        byId<HTMLMeterElement>("live-level").value = microphone.level(samples);
        if (mine.readyState === WebSocket.OPEN) mine.send(samples as Float32Array<ArrayBuffer>);
      });
      byId("live-status").textContent = "Listening …";
      show(byId("live-start"), false);
      show(byId("live-stop"), true);
      byId("live-stop").focus();
    } catch (error) {
      stop();
      fail(error instanceof Error ? error.message : String(error));
    }
  }

  byId("live-start").addEventListener("click", () => void begin());
  byId("live-stop").addEventListener("click", stop);
}
