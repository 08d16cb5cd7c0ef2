/** Sounds of the tests: 16-bit mono WAV at 16 kHz, made of the clips that the small model was trained on. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GOLDEN } from "./places.ts";

export const RATE = 16_000;

export type Label = "chirp" | "hiss" | "hum";

const HEADER = 44;

/** The samples of clip `number` of a label, 0 to 7. */
export function clip(label: Label, number = 2): Int16Array {
  const bytes = readFileSync(join(GOLDEN, "train", "data", label, `${label}.${String(number).padStart(2, "0")}.wav`));
  return samplesOf(bytes);
}

/** The samples of a WAV that `wav` could have made. */
export function samplesOf(bytes: Buffer): Int16Array {
  if (bytes.toString("latin1", 36, 40) !== "data") throw new Error("not a WAV with a header of 44 bytes");
  const samples = new Int16Array(Math.floor((bytes.length - HEADER) / 2));
  samples.forEach((_, at) => (samples[at] = bytes.readInt16LE(HEADER + 2 * at)));
  return samples;
}

/** Parts of so many seconds, each a clip over and over. */
export function recording(...parts: [Label, number][]): Int16Array {
  const made = parts.map(([label, seconds]) => {
    const once = clip(label);
    return Int16Array.from({ length: Math.round(seconds * RATE) }, (_, at) => once[at % once.length] ?? 0);
  });
  const whole = new Int16Array(made.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of made) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function wav(samples: Int16Array): Buffer {
  const bytes = Buffer.alloc(HEADER + 2 * samples.length);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(36 + 2 * samples.length, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(2 * RATE, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, at) => bytes.writeInt16LE(sample, HEADER + 2 * at));
  return bytes;
}

export function writeWav(path: string, samples: Int16Array): void {
  writeFileSync(path, wav(samples));
}

/** A Core Audio file, which Chromium does not play. */
export function caf(samples: Int16Array): Buffer {
  const head = Buffer.alloc(68);
  head.write("caff", 0, "latin1");
  head.writeUInt16BE(1, 4);
  head.write("desc", 8, "latin1");
  head.writeBigInt64BE(32n, 12);
  head.writeDoubleBE(RATE, 20);
  head.write("lpcm", 28, "latin1");
  // Of a packet: its bytes, frames, channels, and the bits of a sample.
  [2, 1, 1, 16].forEach((value, at) => head.writeUInt32BE(value, 36 + 4 * at));
  head.write("data", 52, "latin1");
  head.writeBigInt64BE(BigInt(4 + 2 * samples.length), 56);
  const data = Buffer.alloc(2 * samples.length);
  samples.forEach((sample, at) => data.writeInt16BE(sample, 2 * at));
  return Buffer.concat([head, data]);
}
