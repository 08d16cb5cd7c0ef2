/** The tab to check a dataset by ear: random clips, guesses, corrections. */

import * as api from "./api";
import { byId, download, make, show } from "./dom";

/** Clips at a time, as the course shows them. */
const SHOWN = 4;
const KEY = "earmark-corrections";

export async function start(model: api.Model): Promise<void> {
  const clips = await api.clips();
  const labels = [...new Set(clips.map((clip) => clip.label))].sort();
  const key = `${KEY} ${model.name} ${clips.length}`;
  const corrections = new Map<string, string>(JSON.parse(localStorage.getItem(key) ?? "[]") as [string, string][]);

  const filter = byId<HTMLSelectElement>("listen-label");
  labels.forEach((label) => filter.append(make("option", { value: label }, label)));

  function told(): void {
    const count = corrections.size;
    byId("corrections").textContent = count === 0 ? "" : count === 1 ? "1 correction" : `${count} corrections`;
    show(byId("metadata"), count > 0);
    localStorage.setItem(key, JSON.stringify([...corrections]));
  }

  function item(clip: api.Clip): HTMLLIElement {
    const player = make("audio", { controls: true, preload: "none", src: api.clipAddress(clip) });
    player.setAttribute("aria-label", `Clip ${clip.id + 1}`);
    const answer = make("p", { class: "answer" });
    const current = () => corrections.get(clip.name) ?? clip.label;
    const choose = make("select", {}, ...labels.map((label) => make("option", { value: label, selected: label === current() }, label)));
    const correct = make("label", {}, "Label ", choose);
    choose.addEventListener("change", () => {
      if (choose.value === clip.label) corrections.delete(clip.name);
      else corrections.set(clip.name, choose.value);
      reveal();
      told();
    });
    function reveal(): void {
      const changed = current() !== clip.label;
      answer.textContent = changed ? `${clip.label} → ${current()}` : clip.label;
      answer.classList.toggle("changed", changed);
    }
    const card = make("li", { class: "card clip" }, player);
    const rest = () => {
      reveal();
      card.append(answer, correct, make("p", { class: "dim name" }, clip.name));
    };
    if (byId<HTMLInputElement>("guess").checked) {
      const guess = make("select", {}, make("option", { value: "" }, "Your guess"), ...labels.map((label) => make("option", { value: label }, label)));
      guess.setAttribute("aria-label", "Your guess");
      guess.addEventListener("change", () => {
        const right = guess.value === current();
        guess.replaceWith(make("p", { class: right ? "right" : "wrong" }, right ? `${guess.value}: right` : `${guess.value}: wrong`));
        rest();
      });
      card.append(guess);
    } else rest();
    return card;
  }

  function shuffle(): void {
    const wanted = clips.filter((clip) => filter.value === "" || (corrections.get(clip.name) ?? clip.label) === filter.value);
    const chosen: api.Clip[] = [];
    const left = [...wanted];
    while (chosen.length < SHOWN && left.length > 0) {
      chosen.push(...left.splice(Math.floor(Math.random() * left.length), 1));
    }
    byId("clips").replaceChildren(...chosen.map(item));
  }

  byId("shuffle").addEventListener("click", shuffle);
  filter.addEventListener("change", shuffle);
  byId("guess").addEventListener("change", shuffle);
  byId("metadata").addEventListener("click", () => {
    const field = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = clips.map((clip) => `${field(clip.name)},${field(corrections.get(clip.name) ?? clip.label)}`);
    download("metadata.csv", "text/csv", `file_name,label\n${lines.join("\n")}\n`);
  });
  told();
  shuffle();
}
