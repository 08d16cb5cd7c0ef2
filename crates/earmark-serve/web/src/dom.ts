/** The element with this id, which index.html has. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no #${id}`);
  return element as T;
}

/** A new element. Text is set as text, so a label can hold anything. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> & { class?: string } = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { class: name, ...rest } = properties;
  if (name !== undefined) element.className = name;
  Object.assign(element, rest);
  element.append(...children);
  return element;
}

export function show(element: HTMLElement, shown: boolean): void {
  element.hidden = !shown;
}

/** Sets the text of an element only if it changes: a screen reader reads a status again each time it is set. */
export function tell(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** An error in a sentence for people. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Hands text to the browser as a file. */
export function download(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
