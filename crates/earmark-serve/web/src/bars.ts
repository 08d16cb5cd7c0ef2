import type { Prediction } from "./api";
import { make } from "./dom";

/** A score as people read it: 93.1 %, and what is nearly nothing as such. */
function percent(score: number): string {
  if (score > 0 && score < 0.0005) return "< 0.1 %";
  return `${(100 * score).toFixed(1)} %`;
}

/** Bars of labels, the first `count`. Scores outside 0 to 1 are logits: shown as numbers, without bars. */
export function draw(list: HTMLElement, predictions: Prediction[], count: number): void {
  const shares = predictions.every(({ score }) => score >= 0 && score <= 1);
  const items = predictions.slice(0, count).map(({ label, score }) => {
    const text = shares ? percent(score) : score.toFixed(3);
    const bar = make("span", { class: "bar" });
    bar.style.setProperty("--share", shares ? String(score) : "0");
    bar.setAttribute("aria-hidden", "true");
    return make("li", {}, make("span", { class: "label" }, label), bar, make("span", { class: "score" }, text));
  });
  list.replaceChildren(...items);
}
