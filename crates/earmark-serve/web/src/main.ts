import "./style.css";
import * as api from "./api";
import * as classify from "./classify";
import { byId, make, show } from "./dom";
import * as listen from "./listen";
import * as live from "./live";

/** The candidate labels of the page, for a model that takes them. */
function asked(model: api.Model): api.Question {
  if (!model.takes_labels) return {};
  const labels = byId<HTMLTextAreaElement>("candidate-labels").value.split(/[,\n]/).map((label) => label.trim()).filter(Boolean);
  const template = byId<HTMLInputElement>("template").value.trim();
  return { ...(labels.length > 0 ? { labels } : {}), ...(template !== "" ? { template } : {}) };
}

/** Tabs by mouse and by arrow keys. */
function tabs(): void {
  const all = () => [...byId("tabs").querySelectorAll<HTMLButtonElement>('[role="tab"]')].filter((tab) => !tab.hidden);
  function choose(chosen: HTMLButtonElement): void {
    for (const tab of all()) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      show(byId(tab.getAttribute("aria-controls") ?? ""), on);
    }
    chosen.focus();
  }
  byId("tabs").addEventListener("click", (event) => {
    const tab = (event.target as HTMLElement).closest<HTMLButtonElement>('[role="tab"]');
    if (tab) choose(tab);
  });
  byId("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const list = all();
    const at = list.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    const next = list[(at + step + list.length) % list.length];
    if (next) choose(next);
  });
}

function facts(model: api.Model): void {
  document.title = `${model.name} · earmark`;
  byId("model-name").textContent = model.name;
  const shown = model.labels.slice(0, 40).join(", ") + (model.labels.length > 40 ? ", …" : "");
  const rows: [string, string][] = [
    ...model.facts,
    ["sampling rate", `${model.sampling_rate} Hz`],
    [model.takes_labels ? "labels" : `labels (${model.labels.length})`, model.takes_labels ? "those you write" : shown],
  ];
  byId("facts-list").replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

async function main(): Promise<void> {
  tabs();
  const model = await api.model();
  facts(model);
  if (model.takes_labels) {
    byId<HTMLTextAreaElement>("candidate-labels").value = model.labels.join("\n");
    byId<HTMLInputElement>("template").value = model.template ?? "";
    show(byId("labels-field"), true);
  }
  classify.start(model, () => asked(model));
  live.start(model, () => asked(model));
  if (model.clips) {
    show(byId("tab-listen"), true);
    await listen.start(model);
  }
}

main().catch((error: unknown) => {
  byId("error").textContent = error instanceof Error ? error.message : String(error);
  show(byId("error"), true);
});
