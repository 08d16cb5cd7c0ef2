/** Labels that a person has corrected, kept in the browser until they are downloaded and beyond. */

import type { Clip } from "./api";
import { field } from "./formats";

const KEY = "earmark-corrections";

export class Corrections {
  private readonly key: string;
  private labels: Map<string, string>;
  /** What was downloaded last. */
  private saved: string;

  /** Those of an earlier visit, if it was to the same clips with the same labels. */
  constructor(private readonly clips: Clip[]) {
    this.key = `${KEY} ${hash(clips.map(({ name, label }) => `${name}\t${label}\n`).join(""))}`;
    const { labels, saved } = read(this.key);
    this.labels = new Map(labels);
    this.saved = saved;
  }

  get count(): number {
    return this.labels.size;
  }

  label(clip: Clip): string {
    return this.labels.get(clip.name) ?? clip.label;
  }

  isCorrected(clip: Clip): boolean {
    return this.labels.has(clip.name);
  }

  correct(clip: Clip, label: string): void {
    if (label === clip.label) this.labels.delete(clip.name);
    else this.labels.set(clip.name, label);
    this.keep();
  }

  /** Whether some are in no file yet. */
  get areUnsaved(): boolean {
    return this.count > 0 && this.saved !== this.text;
  }

  /** A `metadata.csv` of all clips, as `earmark train --data` reads it. */
  metadata(): string {
    this.saved = this.text;
    this.keep();
    const lines = this.clips.map((clip) => `${field(clip.name)},${field(this.label(clip))}\n`);
    return `file_name,label\n${lines.join("")}`;
  }

  private get text(): string {
    return JSON.stringify([...this.labels].sort());
  }

  private keep(): void {
    try {
      localStorage.setItem(this.key, JSON.stringify({ labels: [...this.labels], saved: this.saved }));
    } catch {
      // A browser that keeps nothing: leaving the page is warned of.
    }
  }
}

interface Kept {
  labels: [string, string][];
  saved: string;
}

function read(key: string): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "") as Kept;
    if (Array.isArray(kept.labels)) return kept;
  } catch {
    // Nothing is kept, or not by this page.
  }
  return { labels: [], saved: "" };
}

/** FNV-1a, which tells datasets apart. */
function hash(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash.toString(16);
}
