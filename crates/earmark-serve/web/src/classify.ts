/** The tab that classifies a file or a recording. */

import * as api from "./api";
import * as bars from "./bars";
import { byId, clock, download, make, show } from "./dom";
import * as formats from "./formats";
import * as microphone from "./microphone";
import { Player } from "./player";

/** Longest recording, in seconds. */
const LONGEST = 600;

export function start(model: api.Model, asked: () => api.Question): void {
  let sound: { blob: Blob; name: string } | undefined;
  let rows: api.Classification[] = [];
  let running: AbortController | undefined;

  const player = new Player((span) => {
    byId("region").textContent = span ? `Region ${span[0].toFixed(2)} to ${span[1].toFixed(2)} s` : "Drag over the waveform to choose a region";
    show(byId("classify-region"), span !== undefined);
    show(byId("clear-region"), span !== undefined);
  });

  const status = (text: string) => (byId("status").textContent = text);
  const fail = (text: string) => {
    byId("error").textContent = text;
    show(byId("error"), text !== "");
  };

  function take(blob: Blob, name: string): void {
    fail("");
    if (blob.size > model.max_bytes) {
      fail(`The file has ${(blob.size / 1e6).toFixed(0)} MB, and this server takes ${(model.max_bytes / 1e6).toFixed(0)} MB.`);
      return;
    }
    sound = { blob, name };
    byId("sound-name").textContent = name;
    byId("sound-length").textContent = "";
    show(byId("player"), true);
    show(byId("results"), false);
    player.load(blob);
    void ask();
  }

  async function ask(span?: [number, number]): Promise<void> {
    if (sound === undefined) return;
    running?.abort();
    const mine = (running = new AbortController());
    fail("");
    status("Classifying …");
    const window = byId<HTMLSelectElement>("window").value;
    const question: api.Question = { ...asked() };
    if (span) question.span = span;
    else if (window !== "") question.window = Number(window);
    try {
      rows = await api.classify(sound.blob, sound.name, question, mine.signal);
      const best = rows[0]?.predictions[0];
      status(rows.length > 1 ? `${rows.length} windows classified.` : best ? `Most likely ${best.label}.` : "");
      draw();
      show(byId("results"), true);
    } catch (error) {
      if (mine.signal.aborted) return;
      status("");
      fail(error instanceof Error ? error.message : String(error));
    }
  }

  function draw(): void {
    const windows = rows[0]?.start !== undefined && rows[0].end !== undefined && (rows.length > 1 || byId<HTMLSelectElement>("window").value !== "");
    const count = Number(byId<HTMLInputElement>("top-k").value);
    byId("top-k-value").textContent = String(count);
    const [only] = rows;
    const span = only?.start !== undefined ? ` from ${only.start.toFixed(2)} to ${only.end?.toFixed(2)} s` : "";
    byId("results-title").textContent = windows ? "Windows" : `Labels${span}`;
    show(byId("top-k-row"), !windows);
    show(byId("threshold-row"), windows);
    show(byId("bars"), !windows);
    show(byId("timeline"), windows);
    document.querySelectorAll<HTMLElement>("#downloads [data-format]").forEach((button) => {
      show(button, windows || !["audacity", "raven"].includes(button.dataset["format"] ?? ""));
    });
    if (windows) drawTimeline();
    else if (only) bars.draw(byId("bars"), only.predictions, count);
  }

  /** The windows above the threshold, each with its best label. */
  function kept(): api.Classification[] {
    const threshold = Number(byId<HTMLInputElement>("threshold").value);
    return rows.filter((row) => (row.predictions[0]?.score ?? 0) >= threshold);
  }

  function drawTimeline(): void {
    byId("threshold-value").textContent = Number(byId<HTMLInputElement>("threshold").value).toFixed(2);
    const items = kept().map((row) => {
      const best = row.predictions[0];
      const jump = make("button", { class: "window" },
        make("span", { class: "time" }, `${clock(row.start ?? 0)} – ${clock(row.end ?? 0)}`),
        make("span", { class: "label" }, best?.label ?? ""),
        make("span", { class: "score" }, best ? best.score.toFixed(3) : ""));
      jump.addEventListener("click", () => player.seek(row.start ?? 0));
      return jump;
    });
    byId("timeline").replaceChildren(...items);
    if (items.length === 0) byId("timeline").textContent = "No window has a score above the threshold.";
  }

  function write(format: string): void {
    const windows = rows[0]?.start !== undefined && rows.length > 1;
    const count = Number(byId<HTMLInputElement>("top-k").value);
    const cut = (windows ? kept() : rows).map((row) => ({ ...row, predictions: row.predictions.slice(0, windows ? 1 : count) }));
    const stem = (sound?.name ?? "sound").replace(/\.[^.]+$/, "");
    if (format === "json") download(`${stem}.json`, "application/json", formats.json(cut));
    if (format === "csv") download(`${stem}.csv`, "text/csv", formats.csv(cut));
    if (format === "audacity") download(`${stem}.txt`, "text/plain", formats.audacity(cut));
    if (format === "raven") download(`${stem}.selections.txt`, "text/plain", formats.raven(cut, model.sampling_rate / 2));
  }

  const file = byId<HTMLInputElement>("file");
  byId("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) take(chosen, chosen.name);
    file.value = "";
  });
  const drop = byId("drop");
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const dropped = event.dataTransfer?.files[0];
    if (dropped) take(dropped, dropped.name);
  });

  byId("again").addEventListener("click", () => void ask());
  byId("classify-region").addEventListener("click", () => void ask(player.span));
  byId("window").addEventListener("change", () => void ask());
  byId("top-k").addEventListener("input", draw);
  byId("threshold").addEventListener("input", draw);
  document.querySelectorAll<HTMLElement>("#downloads [data-format]").forEach((button) => {
    button.addEventListener("click", () => write(button.dataset["format"] ?? ""));
  });
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (byId("panel-classify").hidden || byId("player").hidden || target.closest("input, textarea, select, button, summary, a")) return;
    if (event.key === " ") player.toggle();
    else if (event.key === "Enter" && player.span) void ask(player.span);
    else if (event.key === "Escape") player.clearRegion();
    else return;
    event.preventDefault();
  });

  const most = model.takes_labels ? 20 : Math.min(20, Math.max(1, model.labels.length));
  const topK = byId<HTMLInputElement>("top-k");
  topK.max = String(most);
  topK.value = String(Math.min(5, most));

  record(take, fail);
  model.examples.forEach((name, number) => {
    const button = make("button", { class: "chip" }, name);
    button.addEventListener("click", async () => {
      try {
        take(await api.example(number), name);
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error));
      }
    });
    byId("examples").append(button);
  });
  show(byId("examples"), model.examples.length > 0);
}

/** The button that records: a level, a clock, stop, discard. */
function record(take: (blob: Blob, name: string) => void, fail: (text: string) => void): void {
  let blocks: Float32Array[] = [];
  let open: microphone.Microphone | undefined;
  const seconds = () => blocks.reduce((sum, block) => sum + block.length, 0) / (open?.rate ?? 1);

  function end(keep: boolean): void {
    const rate = open?.rate;
    open?.stop();
    const recorded = blocks;
    [open, blocks] = [undefined, []];
    show(byId("recording"), false);
    show(byId("record"), true);
    byId("record").focus();
    if (!keep || rate === undefined) return;
    if (recorded.length === 0) fail("Nothing was recorded: the microphone gave no sound.");
    else take(microphone.wav(recorded, rate), `recording ${new Date().toTimeString().slice(0, 8).replaceAll(":", ".")}.wav`);
  }

  byId("record").addEventListener("click", async () => {
    fail("");
    try {
      open = await microphone.open(48000, (samples) => {
        blocks.push(samples);
        byId<HTMLMeterElement>("level").value = microphone.level(samples);
        byId("recording-time").textContent = clock(seconds());
        if (seconds() >= LONGEST) end(true);
      });
      show(byId("recording"), true);
      show(byId("record"), false);
      byId("stop").focus();
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
  });
  byId("stop").addEventListener("click", () => end(true));
  byId("discard").addEventListener("click", () => end(false));
}
