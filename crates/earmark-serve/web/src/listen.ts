/** The tab to check a dataset by ear: random clips, guesses, corrections. */

import * as api from "./api";
import { Corrections } from "./corrections";
import { byId, download, make, reason, show, tell } from "./dom";
import { counted } from "./numbers";

/** Clips at a time, as the course shows them. */
const SHOWN = 4;
/** Of the filter, beside the labels. */
const CORRECTED = "\u0000corrected";

export async function start(): Promise<void> {
  const clips = await api.clips();
  const labels = [...new Set(clips.map((clip) => clip.label))].sort();
  const corrections = new Corrections(clips);
  const guesses = { made: 0, right: 0 };
  let sounds: string[] = [];

  const filter = byId<HTMLSelectElement>("listen-label");
  filter.append(...labels.map((label) => make("option", { value: label }, label)));
  const corrected = make("option", { value: CORRECTED }, "corrected");
  filter.append(corrected);

  function told(): void {
    tell(byId("corrections"), corrections.count === 0 ? "" : counted(corrections.count, "correction"));
    show(byId("metadata"), corrections.count > 0);
    corrected.disabled = corrections.count === 0;
  }

  function options(chosen: string): HTMLOptionElement[] {
    return labels.map((label) => make("option", { value: label, selected: label === chosen }, label));
  }

  /** The label and its correction. */
  function labelOf(clip: api.Clip): HTMLElement[] {
    const answer = make("p", { class: "answer" });
    const reveal = () => {
      tell(answer, corrections.isCorrected(clip) ? `${clip.label} → ${corrections.label(clip)}` : clip.label);
      answer.classList.toggle("changed", corrections.isCorrected(clip));
    };
    const choose = make("select", {}, ...options(corrections.label(clip)));
    choose.addEventListener("change", () => {
      corrections.correct(clip, choose.value);
      reveal();
      told();
    });
    reveal();
    return [answer, make("label", {}, "Label ", choose), make("p", { class: "dim name" }, clip.name)];
  }

  function guess(clip: api.Clip, rest: () => HTMLElement[]): HTMLElement {
    const choose = make("select", { ariaLabel: "Your guess" }, make("option", { value: "" }, "Your guess"), ...options(""));
    choose.addEventListener("change", () => {
      const isRight = choose.value === corrections.label(clip);
      guesses.made += 1;
      guesses.right += Number(isRight);
      tell(byId("guesses"), `${guesses.right} of ${guesses.made} right`);
      const verdict = make("p", { class: isRight ? "right" : "wrong", tabIndex: -1 }, `${choose.value}: ${isRight ? "right" : "wrong"}`);
      choose.replaceWith(verdict, ...rest());
      verdict.focus();
    });
    return choose;
  }

  function card(clip: api.Clip): HTMLLIElement {
    const rest = () => labelOf(clip);
    const below = byId<HTMLInputElement>("guess").checked ? [guess(clip, rest)] : rest();
    return make("li", { class: "card clip" }, player(clip, sounds), ...below);
  }

  function shuffle(): void {
    for (const audio of byId("clips").querySelectorAll("audio")) {
      audio.removeAttribute("src");
      audio.load();
    }
    sounds.forEach((address) => URL.revokeObjectURL(address));
    sounds = [];
    const isWanted = (clip: api.Clip) =>
      filter.value === "" || (filter.value === CORRECTED ? corrections.isCorrected(clip) : corrections.label(clip) === filter.value);
    const chosen = random(clips.filter(isWanted), SHOWN);
    // Room for the answer, so that the cards below do not move.
    byId("clips").classList.toggle("guessing", byId<HTMLInputElement>("guess").checked);
    byId("clips").replaceChildren(...chosen.map(card));
    if (chosen.length === 0) byId("clips").append(make("li", { class: "dim" }, "There is no such clip."));
  }

  byId("shuffle").addEventListener("click", shuffle);
  filter.addEventListener("change", shuffle);
  byId("guess").addEventListener("change", () => {
    [guesses.made, guesses.right] = [0, 0];
    tell(byId("guesses"), "");
    shuffle();
  });
  byId("metadata").addEventListener("click", () => download("metadata.csv", "text/csv", corrections.metadata()));
  window.addEventListener("beforeunload", (event) => {
    if (corrections.areUnsaved) event.preventDefault();
  });
  // One at a time.
  byId("clips").addEventListener("play", (event) => {
    for (const other of byId("clips").querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);
  told();
  shuffle();
}

/** A player, once its clip is there; what the browser cannot play, the server decodes. */
function player(clip: api.Clip, sounds: string[]): HTMLElement {
  const place = make("div", { class: "sound" });
  const fail = (error: unknown) => place.replaceChildren(make("p", { class: "bad" }, reason(error)));
  const play = (sound: Blob, otherwise: () => void) => {
    // After the next shuffle nobody wants it any more.
    if (!place.isConnected) return;
    const src = URL.createObjectURL(sound);
    sounds.push(src);
    const audio = make("audio", { controls: true, ariaLabel: `Clip ${clip.id + 1}`, src });
    audio.addEventListener("error", otherwise, { once: true });
    place.replaceChildren(audio);
  };
  const decode = async (sound: Blob) => play(await api.decode(sound, clip.name), () => fail("This clip cannot be played."));
  api.clip(clip.id).then((sound) => play(sound, () => void decode(sound).catch(fail)), fail);
  return place;
}

/** So many of a list, in any order. */
function random<T>(list: T[], count: number): T[] {
  const left = [...list];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return chosen;
}
