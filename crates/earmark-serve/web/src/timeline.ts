/** The windows of a long sound: as a list, and as a strip of colours below the waveform. */

import { isFailure, type Row } from "./api";
import { byId, make, show } from "./dom";
import { clock, percent } from "./numbers";

interface Shown {
  start: number;
  end: number;
  button: HTMLButtonElement;
}

/** A colour of its own for each label: neighbours of the golden angle are far apart. */
function hue(label: string, labels: string[]): string {
  return String((labels.indexOf(label) * 137.5 + 220) % 360);
}

export class Timeline {
  private windows: Shown[] = [];
  private duration = 0;
  private current: HTMLButtonElement | undefined;

  constructor(private readonly seek: (seconds: number) => void) {
    byId("timeline").addEventListener("keydown", (event) => this.move(event));
    byId("strip").addEventListener("click", (event) => {
      const { left, width } = byId("strip").getBoundingClientRect();
      const seconds = ((event.clientX - left) / width) * this.duration;
      this.seek(this.at(seconds)?.start ?? seconds);
    });
  }

  /** Shows the windows that have a label. */
  draw(rows: Row[], duration: number): void {
    const labelled = rows.flatMap((row) => {
      if (isFailure(row) || row.start === undefined || row.end === undefined) return [];
      const [best, ...others] = row.predictions;
      return best ? [{ start: row.start, end: row.end, best, others }] : [];
    });
    const shares = labelled.every(({ best }) => best.score >= 0 && best.score <= 1);
    const score = (value: number) => (shares ? percent(value) : value.toFixed(3));
    const labels = [...new Set(labelled.map(({ best }) => best.label))].sort();
    this.duration = duration;
    this.current = undefined;
    this.windows = labelled.map(({ start, end, best, others }) => {
      const more = others.map(({ label, score: value }) => `${label} ${score(value)}`).join(", ");
      const chip = make("span", { class: "chip-colour" });
      chip.style.setProperty("--hue", hue(best.label, labels));
      const button = make("button", { class: "window", tabIndex: -1 },
        make("span", { class: "time" }, `${clock(start)} – ${clock(end)}`), " ",
        chip,
        make("span", { class: "label" }, best.label), " ",
        make("span", { class: "score" }, score(best.score)), " ",
        make("span", { class: "more dim" }, more));
      button.addEventListener("click", () => this.seek(start));
      return { start, end, button };
    });
    const [first] = this.windows;
    if (first) first.button.tabIndex = 0;
    byId("timeline").replaceChildren(...this.windows.map(({ button }) => make("li", {}, button)));
    byId("strip").replaceChildren(...segments(labelled).map(({ start, end, label }) => {
      const part = make("span", { title: `${clock(start)} – ${clock(end)} ${label}` }, label);
      part.style.setProperty("--hue", hue(label, labels));
      part.style.left = `${(100 * start) / duration}%`;
      part.style.width = `${(100 * (end - start)) / duration}%`;
      return part;
    }));
    show(byId("timeline"), this.windows.length > 0);
    show(byId("no-window"), this.windows.length === 0);
    show(byId("strip"), true);
  }

  clear(): void {
    this.windows = [];
    for (const id of ["timeline", "strip"]) byId(id).replaceChildren();
    for (const id of ["timeline", "strip", "no-window"]) show(byId(id), false);
  }

  /** Marks the window at so many seconds. */
  reached(seconds: number): void {
    const button = this.at(seconds)?.button;
    if (button === this.current) return;
    this.current?.removeAttribute("aria-current");
    button?.setAttribute("aria-current", "true");
    this.current = button;
  }

  private at(seconds: number): Shown | undefined {
    return this.windows.find(({ start, end }) => start <= seconds && seconds < end);
  }

  /** One window is reached by Tab, the others from there by the arrow keys. */
  private move(event: KeyboardEvent): void {
    const at = this.windows.findIndex(({ button }) => button === event.target);
    const last = this.windows.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last, PageDown: Math.min(at + 10, last), PageUp: Math.max(at - 10, 0) }[event.key];
    const [from, next] = [this.windows[at], to === undefined ? undefined : this.windows[to]];
    if (!from || !next) return;
    event.preventDefault();
    from.button.tabIndex = -1;
    next.button.tabIndex = 0;
    next.button.focus();
  }
}

/** Windows that follow each other with the same label, as one. */
function segments(windows: { start: number; end: number; best: { label: string } }[]): { start: number; end: number; label: string }[] {
  const joined: { start: number; end: number; label: string }[] = [];
  for (const { start, end, best } of windows) {
    const before = joined.at(-1);
    if (before?.label === best.label && start <= before.end) before.end = end;
    else joined.push({ start, end, label: best.label });
  }
  return joined;
}
