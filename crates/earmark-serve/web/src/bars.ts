import type { Prediction } from "./api";
import { make, tell } from "./dom";
import { percent } from "./numbers";

/**
 * Bars of labels, the first `count`. Scores outside 0 to 1 are logits: shown as numbers, without bars. A label that has a bar
 * already keeps it, so that it moves.
 */
export function draw(list: HTMLElement, predictions: Prediction[], count: number): void {
  const shares = predictions.every(({ score }) => score >= 0 && score <= 1);
  const before = new Map([...list.children].map((item) => [item.querySelector(".label")?.textContent ?? "", item]));
  const items = predictions.slice(0, count).map(({ label, score }) => {
    const item = before.get(label) ?? bar(label);
    before.delete(label);
    item.querySelector<HTMLElement>(".bar")?.style.setProperty("--share", shares ? String(score) : "0");
    const text = item.querySelector<HTMLElement>(".score");
    if (text) tell(text, shares ? percent(score) : score.toFixed(3));
    return item;
  });
  const isInPlace = items.length === list.children.length && items.every((item, at) => list.children[at] === item);
  if (!isInPlace) list.replaceChildren(...items);
}

function bar(label: string): HTMLLIElement {
  const track = make("span", { class: "bar" });
  track.setAttribute("aria-hidden", "true");
  return make("li", {}, make("span", { class: "label" }, label), track, make("span", { class: "score" }));
}
