import "./style.css";
import * as api from "./api";
import * as classify from "./classify";
import { byId, make, reason, show } from "./dom";
import * as listen from "./listen";
import * as live from "./live";
import * as tabs from "./tabs";

/** The candidate labels of the page, for a model that takes them. */
function labelling(model: api.Model): api.Question {
  if (!model.takes_labels) return {};
  const labels = byId<HTMLTextAreaElement>("candidate-labels").value.split(/[,\n]/).map((label) => label.trim()).filter(Boolean);
  const template = byId<HTMLInputElement>("template").value.trim();
  return { ...(labels.length > 0 ? { labels } : {}), ...(template !== "" ? { template } : {}) };
}

/** What is known of the model. */
function facts(model: api.Model): void {
  // Of a folder the end says most.
  const name = model.name.split("/").filter(Boolean).slice(-2).join("/");
  document.title = `${name} · earmark`;
  byId("model-name").textContent = name;
  const labels = make("dd", { class: "labels", tabIndex: 0 }, model.takes_labels ? "those that you write" : model.labels.join(", "));
  const rows: [string, string][] = [["model", model.name], ...model.facts, ["sampling rate", `${model.sampling_rate.toLocaleString("en")} Hz`]];
  byId("facts-list").replaceChildren(
    ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
    make("dt", {}, model.takes_labels ? "labels" : `labels (${model.labels.length})`),
    labels,
  );
}

async function main(): Promise<void> {
  tabs.start();
  const model = await api.model();
  facts(model);
  if (model.takes_labels) {
    byId<HTMLTextAreaElement>("candidate-labels").value = model.labels.join("\n");
    byId<HTMLInputElement>("template").value = model.template ?? "";
    show(byId("labels-field"), true);
  }
  classify.start(model, () => labelling(model));
  live.start(() => labelling(model));
  if (model.clips) {
    show(byId("tab-listen"), true);
    await listen.start();
  }
}

main().catch((error: unknown) => {
  byId("error").textContent = reason(error);
  show(byId("error"), true);
});
