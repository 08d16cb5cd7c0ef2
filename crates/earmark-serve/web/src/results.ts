/** The labels of a sound or of its windows, and their download. */

import { isFailure, type Classification, type Model, type Row } from "./api";
import * as bars from "./bars";
import { byId, download, show, tell } from "./dom";
import * as formats from "./formats";
import { Timeline } from "./timeline";

/** Most labels that the slider shows. */
const MOST_SHOWN = 50;

export interface Answer {
  name: string;
  rows: Row[];
  /** Whether they are of windows. */
  windowed: boolean;
}

/** How many labels of a window the page can show. */
export function mostShown(model: Model): number {
  return model.takes_labels ? MOST_SHOWN : Math.min(MOST_SHOWN, model.labels.length);
}

export class Results {
  private answer: Answer | undefined;
  private readonly timeline: Timeline;
  /** Where the sliders were put, which another sound may not allow. */
  private readonly wanted: { "top-k": number; threshold?: number } = { "top-k": 5 };

  constructor(private readonly model: Model, seek: (seconds: number) => void) {
    this.timeline = new Timeline(seek);
    for (const id of ["top-k", "threshold"] as const) {
      byId(id).addEventListener("input", () => {
        this.wanted[id] = this.number(id);
        this.draw();
      });
    }
    this.buttons().forEach((button) => button.addEventListener("click", () => this.save(button.dataset["format"] ?? "")));
  }

  show(answer: Answer): void {
    this.answer = answer;
    const scored = answer.rows.filter((row): row is Classification => !isFailure(row));
    const scores = scored.flatMap((row) => row.predictions.map(({ score }) => score));
    const most = scored.reduce((most, row) => Math.max(most, row.predictions.length), 1);
    this.bound("top-k", 1, Math.min(most, mostShown(this.model)));
    // Logits lie anywhere.
    const areShares = scores.every((score) => score >= 0 && score <= 1);
    const extreme = (of: (a: number, b: number) => number) => scores.reduce((a, b) => of(a, b), scores[0] ?? 0);
    if (areShares) this.bound("threshold", 0, 1);
    else this.bound("threshold", Math.floor(extreme(Math.min)), Math.ceil(extreme(Math.max)));
    this.draw();
    show(byId("results"), true);
  }

  hide(): void {
    this.answer = undefined;
    this.timeline.clear();
    show(byId("results"), false);
  }

  /** Whether what is shown is about to be replaced. */
  pending(on: boolean): void {
    byId("results").setAttribute("aria-busy", String(on));
  }

  /** Marks the window that plays. */
  reached(seconds: number): void {
    this.timeline.reached(seconds);
  }

  private buttons(): NodeListOf<HTMLElement> {
    return document.querySelectorAll("#downloads [data-format]");
  }

  private bound(id: "top-k" | "threshold", least: number, most: number): void {
    const slider = byId<HTMLInputElement>(id);
    [slider.min, slider.max] = [String(least), String(most)];
    // The slider itself moves it into its bounds.
    slider.value = String(this.wanted[id] ?? least);
    slider.disabled = least === most;
  }

  private number(id: string): number {
    return Number(byId<HTMLInputElement>(id).value);
  }

  private draw(): void {
    if (this.answer === undefined) return;
    const { rows, windowed } = this.answer;
    const count = this.number("top-k");
    tell(byId("top-k-value"), String(count));
    tell(byId("threshold-value"), this.number("threshold").toFixed(2));
    const only = rows.find((row): row is Classification => !isFailure(row));
    const span = only?.start !== undefined ? ` from ${only.start.toFixed(2)} to ${only.end?.toFixed(2)} s` : "";
    tell(byId("results-title"), windowed ? "Windows" : `Labels${span}`);
    show(byId("threshold-row"), windowed);
    show(byId("bars"), !windowed);
    for (const button of this.buttons()) {
      show(button, windowed || !["audacity", "raven"].includes(button.dataset["format"] ?? ""));
    }
    const failure = rows.find(isFailure);
    tell(byId("failed-windows"), failure?.error ?? "");
    show(byId("failed-windows"), failure !== undefined);
    if (windowed) this.timeline.draw(this.kept(), only?.duration ?? 0);
    else {
      this.timeline.clear();
      bars.draw(byId("bars"), only?.predictions ?? [], count);
    }
  }

  /** The rows with the labels that are shown; a window below the threshold has none. */
  private kept(): Row[] {
    const { rows, windowed } = this.answer ?? { rows: [], windowed: false };
    const [count, threshold] = [this.number("top-k"), this.number("threshold")];
    const isKept = ({ score }: { score: number }) => !windowed || Math.fround(score) >= Math.fround(threshold);
    return rows.map((row) => (isFailure(row) ? row : { ...row, predictions: row.predictions.filter(isKept).slice(0, count) }));
  }

  private save(format: string): void {
    if (this.answer === undefined) return;
    const rows = this.kept();
    const stem = this.answer.name.replace(/\.[^.]+$/, "");
    if (format === "json") download(`${stem}.json`, "application/json", formats.json(rows));
    if (format === "csv") download(`${stem}.csv`, "text/csv", formats.csv(rows));
    if (format === "audacity") download(`${stem}.txt`, "text/plain", formats.audacity(rows));
    if (format === "raven") download(`${stem}.selections.txt`, "text/plain", formats.raven(rows, this.model.sampling_rate / 2));
  }
}
