/** The formats that results are downloaded in: the files that `earmark classify --output` writes. */

import { isFailure, type Classification, type Row } from "./api";
import { decimal, fixed, float, single } from "./numbers";

/** A field of a CSV. */
export const field = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Control characters, and what changes the direction or the visibility of text. */
const HIDDEN = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A cell of a table with tabs, which a label could end. */
const cell = (text: string) => text.replaceAll(HIDDEN, (hidden) => ESCAPES[hidden] ?? `\\u{${hidden.codePointAt(0)?.toString(16)}}`);

export function json(rows: Row[]): string {
  const object = (row: Row) => {
    const path = `"path":${JSON.stringify(row.path)}`;
    if (isFailure(row)) return `{${path},"error":${JSON.stringify(row.error)}}`;
    const times = [["duration", row.duration], ["start", row.start], ["end", row.end]] as const;
    const numbers = times.flatMap(([name, value]) => (value === undefined ? [] : [`"${name}":${float(value)}`]));
    const predictions = row.predictions.map(({ label, score }) => `{"label":${JSON.stringify(label)},"score":${float(score)}}`);
    return `{${[path, ...numbers, `"predictions":[${predictions.join(",")}]`].join(",")}}`;
  };
  return `[${rows.map(object).join(",\n")}]\n`;
}

export function csv(rows: Row[]): string {
  const lines = ["path,duration,start,end,rank,label,score,error"];
  const seconds = (value: number | undefined) => (value === undefined ? "" : decimal(value));
  for (const row of rows) {
    if (isFailure(row)) {
      lines.push(`${field(row.path)},,,,,,,${field(row.error)}`);
      continue;
    }
    const place = [field(row.path), seconds(row.duration), seconds(row.start), seconds(row.end)].join(",");
    row.predictions.forEach(({ label, score }, rank) => lines.push(`${place},${rank + 1},${field(label)},${decimal(score)},`));
    // Nothing above the threshold is a row as well.
    if (row.predictions.length === 0) lines.push(`${place},,,,`);
  }
  return `${lines.join("\n")}\n`;
}

interface Mark {
  start: number;
  end: number;
  label: string;
  score: number;
  path: string;
}

/** The windows that have a label, each with its best one: a mark has room for no more. */
function marks(rows: Row[]): Mark[] {
  const windows = rows.filter((row): row is Classification => !isFailure(row));
  return windows.flatMap(({ path, start, end, predictions: [best] }) =>
    start === undefined || end === undefined || best === undefined ? [] : [{ path, start, end, ...best }]);
}

/** An Audacity label track, each label with its score. */
export function audacity(rows: Row[]): string {
  return marks(rows)
    .map(({ start, end, label, score }) => `${fixed(start, 6)}\t${fixed(end, 6)}\t${cell(label)} ${fixed(single(score), 2)}\n`)
    .join("");
}

const RAVEN = [
  "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
  "Common Name", "Species Code", "Confidence", "Begin Path", "File Offset (s)", "Begin File",
].join("\t");

/** A Raven selection table with BirdNET-Analyzer's columns; `nyquist` is half the model's sampling rate. */
export function raven(rows: Row[], nyquist: number): string {
  const lines = marks(rows).map(({ start, end, label, score, path }, at) => {
    const name = cell(label);
    const place = [at + 1, "Spectrogram 1", 1, fixed(start, 6), fixed(end, 6), "0.0", fixed(nyquist, 1)];
    // The browser does not know in which folder the file is.
    return [...place, name, name, fixed(single(score), 4), cell(path), fixed(start, 6), cell(path)].join("\t");
  });
  return `${[RAVEN, ...lines].join("\n")}\n`;
}
