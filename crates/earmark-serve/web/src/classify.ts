/** The tab that classifies a file or a recording. */

import * as api from "./api";
import { byId, make, reason, show, tell } from "./dom";
import { counted, percent } from "./numbers";
import { Player } from "./player";
import * as recording from "./recording";
import { Results, mostShown } from "./results";

/** A request that takes no longer shows no button to cancel it. */
const PATIENCE = 700;

interface Sound {
  blob: Blob;
  name: string;
  /** Whether it is shown, once that is known. */
  shown?: Promise<boolean>;
}

export function start(model: api.Model, labelling: () => api.Question): void {
  let sound: Sound | undefined;
  let running: AbortController | undefined;

  const status = (text: string) => tell(byId("status"), text);
  const fail = (text: string) => {
    tell(byId("error"), text);
    show(byId("error"), text !== "");
  };
  const player = new Player({
    rate: model.sampling_rate,
    decode: (blob) => api.decode(blob, sound?.name ?? "sound"),
    changed: (span) => {
      for (const id of ["classify-region", "clear-region"]) byId<HTMLButtonElement>(id).disabled = span === undefined;
    },
    drawn: () => byId("classify-region").focus({ preventScroll: true }),
    reached: (seconds) => results.reached(seconds),
  });
  const results = new Results(model, (seconds) => player.seek(seconds));

  function take(blob: Blob, name: string): void {
    if (blob.size > model.max_bytes) {
      fail(`${name} has ${(blob.size / 1e6).toFixed(0)} MB, and this server takes ${(model.max_bytes / 1e6).toFixed(0)} MB at most.`);
      return;
    }
    sound = { blob, name };
    tell(byId("sound-name"), name);
    show(byId("player"), true);
    sound.shown = player.load(blob);
    void classify();
  }

  async function classify(span?: [number, number]): Promise<void> {
    if (sound === undefined) return;
    const { blob, name, shown } = sound;
    running?.abort();
    const mine = (running = new AbortController());
    const length = byId<HTMLSelectElement>("window").value;
    const windowed = span === undefined && length !== "";
    const question: api.Question = { ...labelling(), ...(span ? { span } : {}), ...(windowed ? { window: Number(length) } : {}) };
    fail("");
    status("Classifying …");
    results.pending(true);
    const patience = setTimeout(() => show(byId("cancel"), true), PATIENCE);
    const progress: api.Progress = {
      waiting: (before) => status(before === 0 ? "Your request is the next …" : `${counted(before, "request")} before yours …`),
      running: (seconds) => {
        status("Classifying …");
        byId<HTMLProgressElement>("progress").value = seconds / (player.duration || Infinity);
        show(byId("progress"), windowed && seconds > 0);
      },
    };
    try {
      const answer = await api.classify(blob, name, question, windowed ? mostShown(model) : "all", progress, mine.signal);
      // A form has some characters of a file's name escaped.
      const rows = answer.map((row) => ({ ...row, path: name }));
      results.show({ name, rows, windowed });
      status(summary(rows, windowed));
    } catch (error) {
      if (running !== mine) return;
      status(mine.signal.aborted ? "Cancelled." : "");
      if (mine.signal.aborted) return;
      results.hide();
      fail(reason(error));
      // Nothing to play, nothing to show: only the reason is left.
      if ((await shown) === false && running === mine) show(byId("player"), false);
    } finally {
      clearTimeout(patience);
      if (running === mine) {
        results.pending(false);
        for (const id of ["cancel", "progress"]) show(byId(id), false);
      }
    }
  }

  byId("again").addEventListener("click", () => void classify());
  byId("cancel").addEventListener("click", () => running?.abort());
  byId("classify-region").addEventListener("click", () => void classify(player.span));
  byId("window").addEventListener("change", () => void classify());
  for (const id of ["region-start", "region-end"]) {
    byId(id).addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      player.applyTimes(true);
      if (player.span) void classify(player.span);
    });
  }
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (byId("panel-classify").hidden || byId("player").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape" && player.span) return player.clearRegion();
    if (target.closest("input, textarea, select, button, summary, a, [role='log']")) return;
    if (event.key === " ") player.toggle();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") player.step(event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "Enter" && player.span) void classify(player.span);
    else return;
    event.preventDefault();
  });
  files(take);
  recording.start(take, fail);
  examples(model, take, fail);
}

function summary(rows: api.Row[], windowed: boolean): string {
  const scored = rows.filter((row): row is api.Classification => !api.isFailure(row));
  if (windowed) return `${counted(scored.length, "window")} classified.`;
  const best = scored[0]?.predictions[0];
  if (best === undefined) return "";
  return best.score >= 0 && best.score <= 1 ? `Most likely ${best.label}, ${percent(best.score)}.` : `Most likely ${best.label}.`;
}

/** Files that are chosen, dropped, or pasted. */
function files(take: (blob: Blob, name: string) => void): void {
  const hand = (chosen: File) => {
    take(chosen, chosen.name);
    // Space plays.
    byId("play").focus({ preventScroll: true });
  };
  const file = byId<HTMLInputElement>("file");
  byId("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) hand(chosen);
    // The same file can be chosen again.
    file.value = "";
  });
  const drop = byId("drop");
  const isHere = () => !byId("panel-classify").hidden;
  for (const kind of ["dragenter", "dragover"] as const) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", isHere());
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const dropped = event.dataTransfer?.files[0];
    if (dropped && isHere()) hand(dropped);
  });
  document.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.files[0];
    if (pasted && isHere()) hand(pasted);
  });
}

function examples(model: api.Model, take: (blob: Blob, name: string) => void, fail: (text: string) => void): void {
  model.examples.forEach((name, number) => {
    const button = make("button", { class: "chip" }, name);
    button.addEventListener("click", async () => {
      fail("");
      try {
        take(await api.example(number), name);
      } catch (error) {
        fail(reason(error));
      }
    });
    byId("examples").append(button);
  });
  show(byId("examples"), model.examples.length > 0);
}
