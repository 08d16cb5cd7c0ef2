import { byId, show } from "./dom";

/** Tabs by mouse and by arrow keys. */
export function start(): void {
  const all = () => [...byId("tabs").querySelectorAll<HTMLButtonElement>('[role="tab"]')].filter((tab) => !tab.hidden);
  function choose(chosen: HTMLButtonElement): void {
    for (const tab of all()) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      show(byId(tab.getAttribute("aria-controls") ?? ""), on);
    }
    chosen.focus();
    // Labels of one's own are for sounds, not for a dataset's clips.
    byId("labels-field").classList.toggle("unused", chosen.id === "tab-listen");
  }
  byId("tabs").addEventListener("click", (event) => {
    const tab = (event.target as HTMLElement).closest<HTMLButtonElement>('[role="tab"]');
    if (tab) choose(tab);
  });
  byId("tabs").addEventListener("keydown", (event) => {
    const list = all();
    const at = list.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + list.length, Home: 0, End: list.length - 1 }[event.key];
    const next = to === undefined ? undefined : list[to % list.length];
    if (!next) return;
    event.preventDefault();
    choose(next);
  });
}
