/** The formats that results are downloaded in: those of `earmark classify`. */

import type { Classification } from "./api";

const csvField = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
/** A tab or a line break would end a column. */
const cell = (text: string) => text.replaceAll(/[\t\r\n]/g, " ");

export function json(rows: Classification[]): string {
  const only = rows.length === 1 ? rows[0] : undefined;
  return `${JSON.stringify(only?.start === undefined && only !== undefined ? only : rows)}\n`;
}

export function csv(rows: Classification[]): string {
  const lines = ["path,duration,start,end,rank,label,score,error"];
  for (const row of rows) {
    const place = [csvField(row.path), row.duration, row.start ?? "", row.end ?? ""].join(",");
    row.predictions.forEach(({ label, score }, rank) => lines.push(`${place},${rank + 1},${csvField(label)},${score},`));
    if (row.predictions.length === 0) lines.push(`${place},,,,`);
  }
  return `${lines.join("\n")}\n`;
}

/** A label track; rows without a start and an end have no place in it. */
export function audacity(rows: Classification[]): string {
  const marks = rows.flatMap(({ start, end, predictions }) => {
    const best = predictions[0];
    if (start === undefined || end === undefined || best === undefined) return [];
    return [`${start.toFixed(6)}\t${end.toFixed(6)}\t${cell(best.label)}\n`];
  });
  return marks.join("");
}

/** A selection table with BirdNET-Analyzer's columns. */
export function raven(rows: Classification[], nyquist: number): string {
  const head = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"];
  head.push("Common Name", "Species Code", "Confidence", "Begin Path", "File Offset (s)");
  const lines = [head.join("\t")];
  for (const { path, start, end, predictions } of rows) {
    const best = predictions[0];
    if (start === undefined || end === undefined || best === undefined) continue;
    const label = cell(best.label);
    const columns = [lines.length, "Spectrogram 1", 1, start.toFixed(6), end.toFixed(6), "0.0", nyquist.toFixed(1)];
    lines.push([...columns, label, label, best.score.toFixed(4), cell(path), start.toFixed(6)].join("\t"));
  }
  return `${lines.join("\n")}\n`;
}
